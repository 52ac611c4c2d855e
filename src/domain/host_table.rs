//! A list of hosts as people have it: columns separated by commas, semicolons or tabs, with or without a heading, from a spreadsheet or typed.

use super::registration::Typed;

/// The most lines of one list. A longer one is several lists.
pub const MOST_LINES: usize = 1000;
/// The largest list, in bytes.
pub const LARGEST_TABLE: usize = 256 << 10;
/// How much of what cannot be read is told, in characters.
const LONGEST_QUOTE: usize = 60;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLine {
    /// Its number in the file, from 1.
    pub line: usize,
    /// What it says.
    pub typed: Typed,
    /// What is wrong with its form, if anything.
    pub problem: Option<String>,
}

/// The columns, by their places in a line.
#[derive(Debug, Clone, Copy)]
struct Columns {
    hostname: usize,
    mac: usize,
    server_type: Option<usize>,
    count: usize,
}

/// The order of the columns where no heading says another one.
const USUAL: Columns = Columns { hostname: 0, mac: 1, server_type: Some(2), count: 3 };

/// What headings call the columns; compared without case, spaces, `_` and `-`.
const HOSTNAME: &[&str] = &["hostname", "host", "name", "node"];
const MAC: &[&str] = &["mac", "macaddress", "address", "bootmac"];
const SERVER_TYPE: &[&str] = &["servertype", "type", "kind"];

/// Reads the bytes of a file as text: UTF-8, or what spreadsheets call Unicode (UTF-16 with its mark).
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16(&units)
            .map_err(|_| "the list begins like UTF-16 and is none; save it as CSV UTF-8".to_owned())
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not UTF-8; save the list as CSV UTF-8")
        }),
    }
}

/// Reads a list. Its lines may still be wrong; only what is no list at all is refused.
pub fn read(text: &str, usual_type: &str) -> Result<Vec<TableLine>, String> {
    if text.len() > LARGEST_TABLE {
        return Err(format!("the list has more than {} KiB; cut it into several", LARGEST_TABLE >> 10));
    }
    let text = text.trim_start_matches('\u{feff}');
    let (separator, skipped) = separator(text);
    let records = records(text, separator, skipped)?;
    let Some((first_line, first)) = records.first() else {
        return Err("the list is empty; write lines such as `pve-01,52:54:00:12:34:56,generic-sata`".to_owned());
    };
    let heading = heading(first).map_err(|problem| format!("line {first_line}: {problem}"))?;
    let (columns, lines) = match heading {
        Some(columns) => (columns, &records[1..]),
        None => (USUAL, &records[..]),
    };
    match lines.len() {
        0 => Err("the list has a heading and no hosts".to_owned()),
        count if count > MOST_LINES => {
            Err(format!("the list has {count} hosts, at most {MOST_LINES} are taken; cut it into several"))
        }
        _ => Ok(lines.iter().map(|(line, fields)| table_line(*line, fields, columns, usual_type)).collect()),
    }
}

/// What separates the columns: what `sep=` says, or what the first line has most of. Returns how many lines that told it.
fn separator(text: &str) -> (char, usize) {
    let first = text.lines().next().unwrap_or_default().trim();
    if let Some(said) = first.strip_prefix("sep=").and_then(|rest| rest.chars().next()) {
        return (said, 1);
    }
    let telling = text.lines().find(|line| !is_silent(line)).unwrap_or_default();
    let count = |separator: char| telling.chars().filter(|c| *c == separator).count();
    let most = [',', ';', '\t'].into_iter().rev().max_by_key(|separator| count(*separator));
    (most.unwrap_or(','), 0)
}

/// Whether a line says nothing: empty, or a remark.
fn is_silent(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

/// Splits the text into lines of fields, each with the number of its line (RFC 4180, and a little more forgiving).
fn records(text: &str, separator: char, skipped: usize) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let (mut fields, mut field, mut is_quoted, mut opened_in) = (Vec::new(), String::new(), false, 0);
    for (place, line) in text.lines().enumerate().skip(skipped) {
        if !is_quoted && is_silent(line) {
            continue;
        }
        if is_quoted {
            field.push('\n');
        } else {
            opened_in = place + 1;
        }
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if is_quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                '"' if is_quoted => is_quoted = false,
                '"' if field.trim().is_empty() => {
                    field.clear();
                    is_quoted = true;
                }
                other if other == separator && !is_quoted => fields.push(std::mem::take(&mut field)),
                other => field.push(other),
            }
        }
        if !is_quoted {
            fields.push(std::mem::take(&mut field));
            // A line of separators alone is how spreadsheets write an empty one.
            let is_empty = fields.iter().all(|field: &String| field.trim().is_empty());
            let record = (opened_in, std::mem::take(&mut fields));
            if !is_empty {
                records.push(record);
            }
        }
    }
    if is_quoted {
        return Err(format!("line {opened_in}: a quotation mark is opened and never closed"));
    }
    Ok(records)
}

/// The columns that a heading names; `None` when the line is none.
fn heading(fields: &[String]) -> Result<Option<Columns>, String> {
    let plain = |field: &String| {
        field.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect::<String>()
    };
    let names: Vec<_> = fields.iter().map(plain).collect();
    let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    match (find(HOSTNAME), find(MAC), find(SERVER_TYPE)) {
        (Some(hostname), Some(mac), server_type) => {
            Ok(Some(Columns { hostname, mac, server_type, count: fields.len() }))
        }
        (_, None, None) => Ok(None),
        (None, Some(_), _) => Err("the heading has no column `hostname`".to_owned()),
        // A host may well be called `type`; with the columns of a heading it would have no MAC address.
        (_, None, Some(_)) if fields.get(USUAL.mac).is_some_and(|field| field.contains([':', '-', '.'])) => Ok(None),
        (_, None, Some(_)) => Err("the heading has no column `mac`".to_owned()),
    }
}

fn table_line(line: usize, fields: &[String], columns: Columns, usual_type: &str) -> TableLine {
    let get = |place: usize| fields.get(place).map(|field| field.trim().to_owned()).unwrap_or_default();
    let mut server_type = columns.server_type.map(get).unwrap_or_default();
    if server_type.is_empty() {
        usual_type.clone_into(&mut server_type);
    }
    let typed = Typed { hostname: get(columns.hostname), mac: get(columns.mac), server_type };
    let more = fields.iter().skip(columns.count).map(|field| field.trim()).find(|field| !field.is_empty());
    let problem = match more {
        Some(more) => {
            let more: String = more.chars().take(LONGEST_QUOTE).collect();
            Some(format!("there is more than {} columns: `{more}`", columns.count))
        }
        None if fields.len() == 1 => {
            Some("there is only one column; separate them by commas, semicolons or tabs".to_owned())
        }
        None => None,
    };
    TableLine { line, typed, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        let told = |line: TableLine| {
            let Typed { hostname, mac, server_type } = line.typed;
            let problem = line.problem.map(|problem| format!(" !{problem}")).unwrap_or_default();
            (line.line, format!("{hostname}|{mac}|{server_type}{problem}"))
        };
        read(text, "usual").unwrap().into_iter().map(told).collect()
    }

    #[test]
    fn a_list_is_read_however_a_spreadsheet_writes_it() {
        for text in [
            "pve-1,aa,t",
            "\u{feff}pve-1,aa,t\r\n",
            "pve-1;aa;t\n",
            "pve-1\taa\tt\n",
            "sep=|\npve-1|aa|t\n",
            "\"pve-1\",\"aa\",\"t\"\r\n",
            " pve-1 , \"aa\" , t ",
            "hostname,mac,server_type\npve-1,aa,t\n",
            "Server Type;MAC-Address;Host Name\r\nt;aa;pve-1\r\n\r\n;;\r\n",
            "# our rack\n\npve-1,aa,t,,\n",
            "MAC,Name,Rack,Type\naa,pve-1,\"R1, left\",t\n",
        ] {
            let found: Vec<_> = lines(text).into_iter().map(|(_, told)| told).collect();
            assert_eq!(found, ["pve-1|aa|t"], "{text:?}");
        }
    }

    #[test]
    fn lines_have_the_numbers_that_an_editor_shows() {
        let text = "hostname,mac\n# a remark\npve-1,aa\n\n\"pve\n-2\",bb\npve-3,cc\n";
        let found = lines(text);
        assert_eq!(found[0], (3, "pve-1|aa|usual".to_owned()));
        assert_eq!(found[1], (5, "pve\n-2|bb|usual".to_owned()));
        assert_eq!(found[2], (7, "pve-3|cc|usual".to_owned()));
    }

    #[test]
    fn a_line_with_too_few_or_too_many_columns_says_so() {
        let found = lines("pve-1,aa,t,what is this\npve-2\npve-3,\"a\"\"b\"\n");
        assert!(found[0].1.ends_with("!there is more than 3 columns: `what is this`"), "{found:?}");
        assert!(found[1].1.contains("!there is only one column"), "{found:?}");
        assert_eq!(found[2].1, "pve-3|a\"b|usual");
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_place() {
        for (text, said) in [
            ("", "is empty"),
            ("\n# nothing\n", "is empty"),
            ("hostname,mac\n", "no hosts"),
            ("name,type\npve-1,t\n", "no column `mac`"),
            ("rack,mac\n1,aa\n", "no column `hostname`"),
            ("pve-1,aa\npve-2,\"bb\n", "line 2: a quotation mark"),
        ] {
            let refused = read(text, "").unwrap_err();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
        assert!(read(&"pve-1,aa\n".repeat(MOST_LINES + 1), "").unwrap_err().contains("at most 1000"));
        assert!(read(&"x".repeat(LARGEST_TABLE + 1), "").unwrap_err().contains("256 KiB"));
    }

    #[test]
    fn a_list_in_another_encoding_is_read_or_refused_with_the_place() {
        let wide: Vec<u8> =
            [0xfeff_u16].into_iter().chain("pve-1;aa".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&wide).unwrap(), "pve-1;aa");
        assert_eq!(decode("größe".as_bytes()).unwrap(), "größe");
        assert_eq!(decode(b"a\nb\xe4").unwrap_err(), "line 2 is not UTF-8; save the list as CSV UTF-8");
    }
}
