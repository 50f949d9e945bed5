-- Writes name and ID of the patient into the log, for each image that comes this far.
-- A converter line runs it: ../scripts/printPatientInfo.lua

local name = Data.PatientName or 'no name'
local id = Data.PatientID or 'no ID'

print('Patient: ' .. name .. ' (' .. id .. ')')
