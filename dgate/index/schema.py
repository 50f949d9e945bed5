"""CREATE statements exactly as the original writes them (conquest-server.md 5.2), and their execution."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from dgate.config.archiveoptions import ArchiveOptions, options_from
from dgate.index import checkpoint
from dgate.index.database.dialect import BEGIN, COMMIT, ROLLBACK
from dgate.index.database.faults import STATEMENT_FAULTS
from dgate.index.index import FAULTS, DatabaseError, connect
from dgate.index.tables import Level, Table, Tables, make_tables

if TYPE_CHECKING:
    from dgate.config.kfactor import KFactor
    from dgate.config.settings import Settings
    from dgate.index.database.base import Connection
    from dgate.interfaces import Log

COMMON = "AccessTime  int, qTimeStamp   int, qFlags       int, qSpare       varchar(64)"
PLACE = "ObjectFile  varchar(255), DeviceName  varchar(32)"

KEYS_AND_INDICES, BARE, WORKLIST_ONLY = 0, 1, 2

UIDMODS = (
    "CREATE TABLE UIDMODS (MODTime int, OldUID varchar(64), MODType varchar(32), NewUID varchar(64), "
    "Stage varchar(32), Annotation varchar(64))"
)
UIDMODS_INDICES = (
    "CREATE INDEX mods_old ON UIDMODS (OldUID)",
    "CREATE INDEX mods_stage ON UIDMODS (Stage)",
    "CREATE INDEX mods_joint ON UIDMODS (OldUID,Stage)",
    "CREATE INDEX mods_back ON UIDMODS (NewUID,Stage)",
)


def table_statement(table: Table, *, keyed: bool, placed: bool = False) -> str:
    """CREATE TABLE for one table; `keyed` gives it its primary key, `placed` the two columns that name the file."""
    parts = []
    for position, column in enumerate(table.columns):
        text = f"{column.name} char(8) " if column.is_date else f"{column.name}  varchar({column.length})"
        parts.append(text + " PRIMARY KEY not null" if keyed and position == 0 else text)
    parts += [COMMON, PLACE] if placed else [COMMON]
    return f"CREATE TABLE {table.name} ({', '.join(parts)})"


def index_statements(level: Level, table: Table) -> list[str]:
    """The indices of one table. That `idx_patientid` lies on the sex is the original's doing; it is harmless."""
    if level == Level.PATIENT:
        return []
    link, before, key = table.link.name, table.columns[-2].name, table.key.name
    first, second, both = {
        Level.STUDY: ("study_lnk", "idx_patientid", "idx_patientid_studyinsta"),
        Level.SERIES: ("series_lnk", "series_pat", "idx_studyinsta_seriesinst"),
        Level.IMAGE: ("images_lnk", "images_pat", "idx_seriesinst_sopinstanc"),
    }[level]
    return [
        f"CREATE INDEX {first} ON {table.name} ({link})",
        f"CREATE INDEX {second} ON {table.name} ({before})",
        f"CREATE INDEX {both} ON {table.name} ({link}, {key})",
    ]


def create_statements(tables: Tables, mode: int = KEYS_AND_INDICES) -> list[str]:
    """Everything but the worklist, in the original's order. Mode 1 leaves out keys and indices."""
    keyed = mode != BARE
    statements = []
    for level in Level:
        table = tables.levels[level]
        statements.append(table_statement(table, keyed=keyed, placed=level == Level.IMAGE))
        statements += index_statements(level, table) if keyed else []
    return [*statements, UIDMODS, *(UIDMODS_INDICES if keyed else ())]


def initialise(
    settings: Settings,
    kfactor: KFactor,
    log: Log,
    mode: int,
    *,
    say: Callable[[str], None] | None = None,
    regenerating: bool = False,
) -> None:
    """`-i`: drop and create the tables (2 = the worklist only). A worklist with rows in it is kept, except in mode 2.

    `say` is told the steps, by default the log. `regenerating` marks the index as incomplete until the files are
    entered. Raises `DatabaseError`.
    """
    options = options_from(settings)
    tables = make_tables(kfactor, options)
    say = say or log.console
    connection = connect(options, create=True, writing=True)
    try:
        say("Dropping Existing tables (if-any)")
        connection.execute(BEGIN)
        _recreate(connection, tables, say, mode, log)
        if regenerating:
            checkpoint.begin(connection)
        connection.execute(COMMIT)
    except FAULTS as error:
        raise DatabaseError(f"The tables in {options.database} cannot be made: {error}.") from error
    finally:
        connection.close()


def _create(connection: Connection, statement: str) -> None:
    """Make a table or an index."""
    of_table = connection.dialect.of_table if statement.startswith("CREATE TABLE") else ""
    connection.execute(statement + of_table)


def _recreate(connection: Connection, tables: Tables, say: Callable[[str], None], mode: int, log: Log) -> None:
    existing = checkpoint.names_of_tables(connection)
    worklist = tables.worklist.name
    filled = worklist.lower() in existing and connection.execute(f"SELECT 1 FROM {worklist} LIMIT 1").fetchone()  # noqa: S608 - a configured table name
    say("Worklist contains data" if filled else "Worklist is empty")
    names = [] if mode == WORKLIST_ONLY else [*(table.name for table in tables.levels), "UIDMODS", checkpoint.TABLE]
    names += [] if filled and mode != WORKLIST_ONLY else [worklist]
    for name in names:
        if name.lower() in existing:
            connection.execute(f"DROP TABLE {name}")
        elif name != checkpoint.TABLE:
            log.console(f"***Failed {connection.dialect.executes} : DROP TABLE {name}")
    if worklist in names:
        say("WorkList Database")
        _create(connection, table_statement(tables.worklist, keyed=False))
    if mode != WORKLIST_ONLY:
        for label in ("Patient Database", "Study Database", "Series Database", "Image Database"):
            say(label)
        for statement in create_statements(tables, mode):
            _create(connection, statement)


def ensure_database(settings: Settings, kfactor: KFactor) -> None:
    """Make the tables where there are none; leave a good database as it is.

    Raises `DatabaseError` for a file that is no database, or one that holds only part of the tables.
    """
    options = options_from(settings)
    tables = make_tables(kfactor, options)
    connection = connect(options, create=True, writing=True)
    try:
        _ensure(connection, tables, options)
    except STATEMENT_FAULTS as error:
        raise DatabaseError(f"{options.database} cannot be used as the index: {error}.") from error
    finally:
        connection.close()


def _ensure(connection: Connection, tables: Tables, options: ArchiveOptions) -> None:
    connection.execute(BEGIN)
    existing = checkpoint.names_of_tables(connection)
    missing = [table.name for table in tables.levels if table.name.lower() not in existing]
    if missing and len(missing) < len(tables.levels):
        connection.execute(ROLLBACK)
        raise DatabaseError(f"{options.database} lacks the tables {', '.join(missing)}: regenerate it with dgate -r.")
    if missing:
        _create_missing(connection, tables, existing, KEYS_AND_INDICES)
    connection.execute(COMMIT)


def create_tables(connection: Connection, tables: Tables, mode: int = KEYS_AND_INDICES) -> None:
    """Make all tables in a database that has none of them."""
    _create_missing(connection, tables, set(), mode)


def _create_missing(connection: Connection, tables: Tables, existing: Collection[str], mode: int) -> None:
    """The four of the index, and the two others where they are not there yet."""
    if tables.worklist.name.lower() not in existing:
        _create(connection, table_statement(tables.worklist, keyed=False))
    for statement in create_statements(tables, mode):
        if "UIDMODS" not in statement or "uidmods" not in existing:
            _create(connection, statement)
