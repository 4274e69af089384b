"""The audit log, as migrations put it up: written by the database itself, in the transaction of the change.

A migration that makes a table whose changes matter calls `audit(<table>, …)` at its end. The triggers are deferred:
they run when the transaction commits, after it has taken its other locks, so that the lock on the project's chain is
always the last one, and held for a moment only.

Source: https://www.postgresql.org/docs/current/sql-createtrigger.html (constraint triggers).
"""

from alembic import op

from functions.migrate.isolation import APP_ROLE

NOTHING = "0" * 64
"""What stands before the first entry of a chain."""

_WRITE = """
CREATE FUNCTION audit_write(
    the_project uuid, the_action text, the_kind text, the_id text, the_name text, the_detail text,
    the_before text, the_after text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    actor json := coalesce(nullif(current_setting('millrace.actor', true), ''), '{"kind": "system"}')::json;
    head audit_heads;
    entry audit_log;
BEGIN
    INSERT INTO audit_heads AS h (project_id, seq, hash, pruned_seq, pruned_hash)
    VALUES (the_project, 1, repeat('0', 64), 0, repeat('0', 64))
    ON CONFLICT (project_id) DO UPDATE SET seq = h.seq + 1
    RETURNING * INTO head;
    entry.project_id := the_project;
    entry.seq := head.seq;
    entry.at := date_trunc('milliseconds', clock_timestamp());
    entry.actor_kind := actor ->> 'kind';
    entry.actor_id := actor ->> 'id';
    entry.address := actor ->> 'address';
    entry.correlation_id := actor ->> 'correlation_id';
    entry.action := the_action;
    entry.target_kind := the_kind;
    entry.target_id := the_id;
    entry.target_name := the_name;
    entry.detail := the_detail;
    entry.before := the_before;
    entry.after := the_after;
    entry.previous := head.hash;
    entry.hash := encode(sha256(convert_to(jsonb_build_array(
        entry.project_id, entry.seq::text, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        entry.actor_kind, entry.actor_id, entry.address, entry.correlation_id, entry.action, entry.target_kind,
        entry.target_id, entry.target_name, entry.detail, entry.before, entry.after, entry.previous
    )::text, 'UTF8')), 'hex');
    INSERT INTO audit_log SELECT entry.*;
    UPDATE audit_heads SET hash = entry.hash WHERE project_id = the_project;
END $$
"""

_ROW = """
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    subject record;
    action text := TG_ARGV[1];
    columns text[] := ARRAY[TG_ARGV[2], TG_ARGV[3], TG_ARGV[4], TG_ARGV[5]];  -- of project, id, name, detail
    named text[];
    before text;
    after text;
BEGIN
    IF TG_OP = 'DELETE' THEN subject := OLD; ELSE subject := NEW; END IF;
    EXECUTE format(
        'SELECT ARRAY[($1).%I::text, ($1).%I::text, ($1).%I::text, ($1).%I::text]',
        columns[1], columns[2], columns[3], columns[4]
    ) INTO named USING subject;
    IF action LIKE '@%' THEN
        EXECUTE format('SELECT ($1).%I::text', substr(action, 2)) INTO action USING subject;
    END IF;
    -- json, not jsonb: documents may hold U+0000, which jsonb refuses
    IF TG_OP <> 'INSERT' THEN before := encode(sha256(convert_to(row_to_json(OLD)::text, 'UTF8')), 'hex'); END IF;
    IF TG_OP <> 'DELETE' THEN after := encode(sha256(convert_to(row_to_json(NEW)::text, 'UTF8')), 'hex'); END IF;
    PERFORM audit_write(
        named[1]::uuid, TG_ARGV[0] || '.' || action, TG_ARGV[0], named[2], named[3], named[4], before, after
    );
    RETURN NULL;
END $$
"""

_KEEP = """
CREATE FUNCTION audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('millrace.audit_pruning', true) = 'on' THEN RETURN NULL; END IF;
    RAISE EXCEPTION 'The audit log is append-only: % is not allowed.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""

_PRUNE = """
CREATE FUNCTION audit_prune(older_than timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_heads;
    last audit_log;
    pruned bigint := 0;
    gone bigint;
BEGIN
    PERFORM set_config('millrace.audit_pruning', 'on', true);
    FOR head IN SELECT * FROM audit_heads ORDER BY project_id FOR UPDATE LOOP
        SELECT * INTO last FROM audit_log WHERE project_id = head.project_id AND at < older_than
        ORDER BY seq DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM audit_log WHERE project_id = head.project_id AND seq <= last.seq;
        GET DIAGNOSTICS gone = ROW_COUNT;
        pruned := pruned + gone;
        UPDATE audit_heads SET pruned_seq = last.seq, pruned_hash = last.hash WHERE project_id = head.project_id;
    END LOOP;
    PERFORM set_config('millrace.audit_pruning', '', true);
    RETURN pruned;
END $$
"""


def make_functions() -> None:
    """What writes, keeps and prunes the log; the role of requests may call none of it."""
    for statement in (_WRITE, _ROW, _KEEP, _PRUNE):
        op.execute(statement)
    for name in ("audit_write", "audit_row", "audit_prune"):
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def make_append_only() -> None:
    """Requests may read the log; nobody may change it, the owner of the tables included."""
    op.execute(f"REVOKE ALL ON audit_log, audit_heads FROM {APP_ROLE}")
    op.execute(f"GRANT SELECT ON audit_log, audit_heads TO {APP_ROLE}")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_keep()"
    )


def audit(
    table: str,
    kind: str,
    events: dict[str, str],
    *,
    project: str = "project_id",
    id_: str = "id",
    name: str = "name",
    detail: str = "id",
) -> None:
    """Writes down changes of `table` as `<kind>.<action>`.

    Args:
        table: the table.
        kind: what a row is, for the reader of the log.
        events: action → when, as in `CREATE TRIGGER`: an event, and `WHEN (…)` where not all count. An action
            `@column` is the value of that column.
        project: the column with the project.
        id_: the column with the id.
        name: the column with what people call it.
        detail: a column that the reader wants to see.
    """
    for action, event in events.items():
        when, _, condition = event.partition(" WHEN ")
        words = ", ".join(f"'{each}'" for each in (kind, action, project, id_, name, detail))
        op.execute(
            f"CREATE CONSTRAINT TRIGGER audit_{action.removeprefix('@')} AFTER {when} ON {table} "
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {f'WHEN {condition} ' if condition else ''}"
            f"EXECUTE FUNCTION audit_row({words})"
        )
