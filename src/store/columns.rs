//! Values of the domain in columns and back. What cannot be understood is an error that names the column, never a default.

use std::{fmt::Display, str::FromStr};

use rusqlite::{Connection, Params, Row};
use serde::{Serialize, de::DeserializeOwned};

use crate::ports::LedgerError;

/// Reads a column whose text is the printed form of a value.
pub(super) fn text<T>(row: &Row<'_>, column: &str) -> Result<T, LedgerError>
where
    T: FromStr,
    T::Err: Display,
{
    parse(column, &row.get::<_, String>(column)?)
}

/// Reads a column that may be empty.
pub(super) fn optional_text<T>(row: &Row<'_>, column: &str) -> Result<Option<T>, LedgerError>
where
    T: FromStr,
    T::Err: Display,
{
    row.get::<_, Option<String>>(column)?.map(|text| parse(column, &text)).transpose()
}

fn parse<T>(column: &str, text: &str) -> Result<T, LedgerError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| LedgerError::Unreadable(format!("column `{column}`: {error}")))
}

/// Reads a column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, LedgerError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| LedgerError::Unreadable(format!("column `{column}`: {error}")))
}

/// Reads a column that holds JSON or nothing.
pub(super) fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>, LedgerError> {
    if row.get::<_, Option<String>>(column)?.is_none() { Ok(None) } else { json(row, column).map(Some) }
}

/// Writes a value as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Database(format!("a value cannot be written: {error}")))
}

/// Reads a column that holds a count or a size.
pub(super) fn number<T: TryFrom<i64>>(row: &Row<'_>, column: &str) -> Result<T, LedgerError> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| LedgerError::Unreadable(format!("column `{column}`: {number} is out of range")))
}

/// Returns every row of a query.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    connection.prepare_cached(sql)?.query_and_then(parameters, read)?.collect()
}

/// Returns the first row of a query, if there is one.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Option<T>, LedgerError> {
    connection.prepare_cached(sql)?.query_and_then(parameters, read)?.next().transpose()
}

/// Runs a statement and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, LedgerError> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}
