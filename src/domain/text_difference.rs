//! The unified difference of two texts, as `diff -u` prints it.

/// Lines around a change that are shown with it.
const CONTEXT_LINES: usize = 3;
/// Texts with more lines are shown whole, old after new: comparing takes the product of both.
const MOST_LINES: usize = 2_000;

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Kept(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// Returns the unified difference of two texts, each with its name; empty when they are equal.
pub fn unified((old_name, old): (&str, &str), (new_name, new): (&str, &str)) -> String {
    if old == new {
        return String::new();
    }
    let lines = compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for (start, end) in hunks(&lines) {
        let before = |is_counted: fn(&Line<'_>) -> bool, end: usize, start: usize| {
            lines[start..end].iter().filter(|line| is_counted(line)).count()
        };
        let is_old = |line: &Line<'_>| !matches!(line, Line::Added(_));
        let is_new = |line: &Line<'_>| !matches!(line, Line::Removed(_));
        let place = |is_counted: fn(&Line<'_>) -> bool| {
            let (skipped, count) = (before(is_counted, start, 0), before(is_counted, end, start));
            // An empty range stands after the line that it names.
            format!("{},{count}", if count == 0 { skipped } else { skipped + 1 })
        };
        text += &format!("@@ -{} +{} @@\n", place(is_old), place(is_new));
        for line in &lines[start..end] {
            text += &match line {
                Line::Kept(line) => format!(" {line}\n"),
                Line::Removed(line) => format!("-{line}\n"),
                Line::Added(line) => format!("+{line}\n"),
            };
        }
    }
    text
}

/// The ranges of lines that are shown.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for place in (0..lines.len()).filter(|place| !matches!(lines[*place], Line::Kept(_))) {
        let (start, end) = (place.saturating_sub(CONTEXT_LINES), (place + 1 + CONTEXT_LINES).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            Some(_) | None => hunks.push((start, end)),
        }
    }
    hunks
}

/// The longest common lines are kept.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len() > MOST_LINES || new.len() > MOST_LINES {
        return old.iter().map(|line| Line::Removed(line)).chain(new.iter().map(|line| Line::Added(line))).collect();
    }
    let width = new.len() + 1;
    // How many lines the rests from (row, column) on have in common.
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            common[row * width + column] = if old[row] == new[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < old.len() || column < new.len() {
        if row < old.len() && column < new.len() && old[row] == new[column] {
            lines.push(Line::Kept(old[row]));
            (row, column) = (row + 1, column + 1);
        } else if column >= new.len()
            || (row < old.len() && common[(row + 1) * width + column] >= common[row * width + column + 1])
        {
            lines.push(Line::Removed(old[row]));
            row += 1;
        } else {
            lines.push(Line::Added(new[column]));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_is_shown_with_its_neighbours() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\n";
        let expected = "--- then\n+++ now\n@@ -2,9 +2,10 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n i\n j\n+k\n";
        assert_eq!(unified(("then", old), ("now", new)), expected);
        assert_eq!(unified(("then", old), ("now", old)), "");
        assert_eq!(unified(("then", ""), ("now", "a\n")), "--- then\n+++ now\n@@ -0,0 +1,1 @@\n+a\n");
    }

    #[test]
    fn changes_far_apart_are_shown_apart() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let new = old.replace("3\n4\n", "3\n").replace("25\n", "x\n");
        assert_eq!(unified(("then", &old), ("now", &new)).matches("@@ -").count(), 2);
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_their_comparison(
            old in prop::collection::vec("[a-d]", 0..20), new in prop::collection::vec("[a-d]", 0..20)
        ) {
            let old: Vec<_> = old.iter().map(String::as_str).collect();
            let new: Vec<_> = new.iter().map(String::as_str).collect();
            let lines = compare(&old, &new);
            let read = |is_old: bool| lines.iter().filter_map(|line| match line {
                Line::Kept(line) => Some(*line),
                Line::Removed(line) => is_old.then_some(*line),
                Line::Added(line) => (!is_old).then_some(*line),
            }).collect::<Vec<_>>();
            prop_assert_eq!((read(true), read(false)), (old, new));
        }
    }
}
