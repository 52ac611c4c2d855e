//! Makes an answer: the template is parsed first and rendered value by value, so that no value can break out of its place; the host's own
//! keys and the daemon's fields are merged in; disks are resolved to exact names; the rules of the installer are applied; and it is written
//! in the dialect of the installer's release.

mod dialect;
mod disks;
mod merge;
mod network;
mod notes;
mod values;

use toml::Table;

pub(super) use notes::{Notes, place_of};

use super::places::line_at;
use crate::domain::{
    answer::AnswerValues,
    answer_file::AnswerFile,
    image::{InstallerRelease, OLDEST_INSTALLER},
};

pub use dialect::check_dialect;

/// For whom an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For a host: everything must be settled.
    Host,
    /// To check a server type with its template, whatever the host will bring: variables and reported disks.
    ServerType,
    /// To check a template, whatever server type and host will bring.
    Template,
}

/// The first release that reads kebab-case everywhere.
const KEBAB_CASE_SINCE: InstallerRelease = InstallerRelease { major: 8, minor: 4 };

/// What became of a template.
#[derive(Debug, Default)]
pub(super) struct Composed {
    /// The TOML, when no rule is broken.
    pub(super) toml: Option<String>,
    /// The disks that are wiped, once they are settled.
    pub(super) disks: Option<disks::Settled>,
    /// What is to be said.
    pub(super) notes: Notes,
}

/// Parses a template; the error has its line.
pub(super) fn parse(template: &str) -> Result<Table, (Option<usize>, String)> {
    template
        .parse::<Table>()
        .map_err(|error| (error.span().map(|span| line_at(template, span.start)), error.message().to_owned()))
}

/// Makes the answer of a template, or says everything that is wrong with it.
pub(super) fn compose(template: &str, values: &AnswerValues, purpose: Purpose) -> Composed {
    let mut composed = Composed { notes: Notes::new(purpose), ..Composed::default() };
    let notes = &mut composed.notes;
    if values.release < OLDEST_INSTALLER {
        notes.problem(format!(
            "the installer {} knows neither webhook nor first boot; {OLDEST_INSTALLER} or newer is needed",
            values.release
        ));
        return composed;
    }
    let mut table = match parse(template) {
        Ok(table) => table,
        Err((_, rule)) => {
            notes.problem(rule);
            return composed;
        }
    };
    values::render(&mut table, values, notes);
    if let Err(problem) = dialect::to_kebab_case(&mut table) {
        notes.problem(problem);
        return composed;
    }
    merge::extra(&mut table, values, notes);
    merge::daemon_fields(&mut table, values, notes);
    network::merge(&mut table, values, notes);
    composed.disks = disks::merge(&mut table, values, notes);
    dialect::leave_out(&mut table, values.release, notes);
    composed.toml = finish(table, values, notes);
    composed
}

/// Checks the whole and writes it.
fn finish(mut table: Table, values: &AnswerValues, notes: &mut Notes) -> Option<String> {
    match table.clone().try_into::<AnswerFile>() {
        Ok(file) => file.check(values.release).into_iter().for_each(|rule| notes.rule(rule)),
        // What is wrong already leaves holes; that they are there is no news.
        Err(_) if notes.has_problems() => {}
        Err(error) => notes.problem(error.message().to_owned()),
    }
    if notes.has_problems() {
        return None;
    }
    if values.release < KEBAB_CASE_SINCE
        && let Err(problem) = dialect::to_old_dialect(&mut table)
    {
        notes.problem(problem);
    }
    let text = match toml::to_string(&table) {
        Ok(text) => text,
        Err(error) => {
            notes.problem(error.to_string());
            return None;
        }
    };
    if notes.is_settled() {
        // What leaves is read once more, by the same eyes as the installer's.
        check_dialect(&text, values.release).into_iter().for_each(|problem| notes.problem(problem));
    }
    (!notes.has_problems()).then_some(text)
}
