//! The keyspace and the table: read as they are, and created if they are absent.
//!
//! Runs on the sender, once per session. Tables of three shapes can be used: our own, whose key has `seq`, so that
//! no two rows have the same key, and the two without `seq` that the original's README and its code create.

use cdrs_tokio::types::ByName;
use cdrs_tokio::types::rows::Row;

use super::cluster::ClusterSession;
use super::error::SessionError;
use crate::config::CqlTable;

/// What a table's key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableShape {
    /// Rows of one name and one set of labels make a partition; otherwise all those of one name do.
    pub(super) by_labels: bool,
    /// Rows of one partition and one millisecond differ by `seq`.
    pub(super) has_seq: bool,
}

/// One column, as `system_schema.columns` has it.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// Whether it is part of the key, and of which part: `partition_key`, `clustering` or `regular`.
    kind: String,
    /// The type of its values.
    value_type: String,
}

impl TableShape {
    /// The statement that stores a row: `name`, `labels`, `timestamp`, `value`, and `seq` if there is one.
    pub(super) fn insert(self, table: &CqlTable) -> String {
        if self.has_seq {
            format!("INSERT INTO {table} (name, labels, timestamp, value, seq) VALUES (?,?,?,?,?)")
        } else {
            format!("INSERT INTO {table} (name, labels, timestamp, value) VALUES (?,?,?,?)")
        }
    }
}

/// Reads the table's shape. A table that is absent is created first, with its keyspace, unless `create` is false.
pub(super) async fn ready(
    cluster: &ClusterSession,
    table: &CqlTable,
    create: bool,
) -> Result<TableShape, SessionError> {
    if let Some(shape) = read(cluster, table).await? {
        return Ok(shape);
    }
    if !create {
        return Err(SessionError::new(format!(
            "table {table} does not exist; create it (docs/sinks.md has the statements), or do without -scylladb-create-schema=false"
        )));
    }
    make(cluster, table).await?;
    let made = read(cluster, table).await?;
    made.ok_or_else(|| SessionError::new(format!("table {table} was created and is not seen yet")))
}

async fn make(cluster: &ClusterSession, table: &CqlTable) -> Result<(), SessionError> {
    // The keyspace is looked up first: `CREATE KEYSPACE IF NOT EXISTS` is refused to a user who has rights on this
    // keyspace only, even if it exists.
    let select = format!(
        "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
        table.keyspace
    );
    if cluster.rows(&select).await?.is_empty() {
        cluster.query(&create_keyspace(table)).await?;
    }
    cluster.query(&create_table(table)).await?;
    log::info!("-scylladb-table: created {table}");
    // The index serves only queries that name labels without a name, so rows are stored without it too. ScyllaDB
    // may refuse it in keyspaces with tablets.
    if let Err(error) = cluster.query(&create_index(table)).await {
        log::warn!("-scylladb-table: {table} has no index on labels: {error}");
    }
    Ok(())
}

fn create_keyspace(table: &CqlTable) -> String {
    let keyspace = table.quoted_keyspace();
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH REPLICATION = {{ 'class' : 'SimpleStrategy','replication_factor' : 1}}"
    )
}

/// The original's table with `seq`. The compaction options are those that both databases know.
fn create_table(table: &CqlTable) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (\
         name text, labels frozen<map<text, text>>, timestamp timestamp, seq bigint, value double, \
         PRIMARY KEY ((name, labels), timestamp, seq)) \
         WITH CLUSTERING ORDER BY (timestamp DESC, seq DESC) \
         AND COMPACTION = {{'class': 'TimeWindowCompactionStrategy', \
         'compaction_window_unit': 'DAYS', 'compaction_window_size': 1}}"
    )
}

fn create_index(table: &CqlTable) -> String {
    format!("CREATE INDEX IF NOT EXISTS ON {table} (FULL(labels))")
}

async fn read(
    cluster: &ClusterSession,
    table: &CqlTable,
) -> Result<Option<TableShape>, SessionError> {
    let select = format!(
        "SELECT column_name, kind, type FROM system_schema.columns WHERE keyspace_name = '{}' AND table_name = '{}'",
        table.keyspace, table.table
    );
    let columns = cluster.rows(&select).await?.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok(None);
    }
    shape(&columns).map(Some).map_err(|cause| {
        SessionError::new(format!(
            "table {table} cannot take rows: {cause}; docs/sinks.md says which tables can"
        ))
    })
}

fn column(row: &Row) -> Result<Column, SessionError> {
    let error = |why: String| SessionError::new(format!("system_schema.columns: {why}"));
    let text = |name: &str| {
        let value: Result<Option<String>, _> = row.by_name(name);
        value.map_err(|why| error(why.to_string()))?.ok_or_else(|| error(format!("{name} is null")))
    };
    Ok(Column { name: text("column_name")?, kind: text("kind")?, value_type: text("type")? })
}

/// The shape of a table with these columns; the error says why rows cannot go into such a table.
fn shape(columns: &[Column]) -> Result<TableShape, String> {
    let find = |name: &str| columns.iter().find(|column| column.name == name);
    let is = |name: &str, types: &[&str], kinds: &[&str]| {
        let column = find(name).ok_or_else(|| format!("it has no column {name}"))?;
        let Column { kind, value_type, .. } = column;
        if !types.contains(&value_type.as_str()) {
            return Err(format!("column {name} is {value_type}, not {}", types[0]));
        }
        if !kinds.contains(&kind.as_str()) {
            return Err(format!("column {name} is {kind}, not {}", kinds[0]));
        }
        Ok(kind.as_str())
    };
    is("name", &["text"], &["partition_key"])?;
    let maps = ["frozen<map<text, text>>", "map<text, text>"];
    let labels = is("labels", &maps, &["partition_key", "regular"])?;
    is("timestamp", &["timestamp"], &["clustering"])?;
    is("value", &["double"], &["regular"])?;
    let has_seq = find("seq").is_some_and(|seq| seq.kind == "clustering");
    if has_seq {
        is("seq", &["bigint"], &["clustering"])?;
    }
    let ours = ["name", "labels", "timestamp", "seq"];
    let keys = ["partition_key", "clustering"];
    let is_other = |column: &&Column| {
        keys.contains(&column.kind.as_str()) && !ours.contains(&column.name.as_str())
    };
    if let Some(other) = columns.iter().find(is_other) {
        return Err(format!("nothing is known to go into its key column {}", other.name));
    }
    Ok(TableShape { by_labels: labels == "partition_key", has_seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "name partition_key text, labels partition_key frozen<map<text; text>>, \
        timestamp clustering timestamp, seq clustering bigint, value regular double";

    fn judged(text: &str) -> Result<TableShape, String> {
        let columns: Vec<_> = text
            .split(", ")
            .map(|column| {
                let mut words = column.splitn(3, ' ').map(|word| word.replace(';', ","));
                let mut word = || words.next().unwrap();
                Column { name: word(), kind: word(), value_type: word() }
            })
            .collect();
        shape(&columns)
    }

    #[test]
    fn three_shapes_are_known() {
        assert_eq!(judged(OURS), Ok(TableShape { by_labels: true, has_seq: true }));
        let code = OURS.replace("seq clustering bigint, ", "");
        assert_eq!(judged(&code), Ok(TableShape { by_labels: true, has_seq: false }));
        let readme = code.replace("labels partition_key", "labels regular");
        assert_eq!(judged(&readme), Ok(TableShape { by_labels: false, has_seq: false }));
        let more = format!("{OURS}, note regular text");
        assert_eq!(judged(&more), judged(OURS));
    }

    #[test]
    fn other_tables_are_refused_with_the_cause() {
        for (from, to, cause) in [
            ("value regular double", "v regular double", "it has no column value"),
            ("value regular double", "value regular float", "column value is float, not double"),
            (
                "timestamp clustering",
                "timestamp regular",
                "column timestamp is regular, not clustering",
            ),
            ("seq clustering bigint", "seq clustering int", "column seq is int, not bigint"),
            (
                "seq clustering bigint",
                "day partition_key date",
                "nothing is known to go into its key column day",
            ),
        ] {
            assert_eq!(judged(&OURS.replace(from, to)), Err(cause.to_owned()));
        }
    }

    #[test]
    fn statements_name_the_table_as_it_is() {
        let table = CqlTable { keyspace: "Up".to_owned(), table: "t".to_owned() };
        assert!(create_keyspace(&table).contains(" \"Up\" WITH"));
        assert!(create_table(&table).contains(" \"Up\".t ("));
        let old = TableShape { by_labels: true, has_seq: false };
        assert_eq!(
            old.insert(&table),
            "INSERT INTO \"Up\".t (name, labels, timestamp, value) VALUES (?,?,?,?)"
        );
    }
}
