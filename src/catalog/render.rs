//! Renders text with minijinja: strict, bounded, without includes or any way out.

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};
use serde::Serialize;

use crate::{
    domain::catalog::{ScriptName, ScriptValues},
    ports::CannotRender,
};

/// How many instructions a template may take. An endless loop ends here.
const FUEL: u64 = 100_000;

/// Renders one text; the error has the line where it can be told.
pub(super) fn text(template: &str, values: impl Serialize) -> Result<String, (Option<usize>, String)> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // `none` in a script or an answer is never meant.
    environment.set_formatter(|output, state, value| match value.is_none() {
        true => Err(Error::new(ErrorKind::UndefinedError, "this value is not known here")),
        false => escape_formatter(output, state, value),
    });
    let mut text = environment
        .render_str(template, minijinja::value::Serde(values))
        .map_err(|error| (error.line(), sentence(&error)))?;
    // The engine drops the last line break of a template, and iPXE does not run a last line without one.
    if template.ends_with('\n') && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Whether a text can be read as a template, whatever it names.
pub(super) fn is_template(template: &str) -> bool {
    Environment::new().template_from_str(template).is_ok()
}

fn sentence(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

/// Whether iPXE would read more in a value than text: settings that it expands, and words that end a command.
fn is_more_than_text(value: &str) -> bool {
    value.chars().any(char::is_control)
        || ["${", "||", "&&"].iter().any(|operator| value.contains(operator))
        || value.split(' ').any(|word| word == ";" || word.starts_with('#'))
}

/// Renders a script.
pub(super) fn script(name: ScriptName, template: &str, values: &ScriptValues) -> Result<String, CannotRender> {
    script_text(template, values).map_err(|(line, rule)| CannotRender {
        what: format!("iPXE script {}", name.word()),
        problems: vec![match line {
            Some(line) => format!("line {line}: {rule}"),
            None => rule,
        }],
    })
}

/// Renders the text of a script. No value may hold what iPXE would read as more than a word of text.
pub(super) fn script_text(template: &str, values: &ScriptValues) -> Result<String, (Option<usize>, String)> {
    let named = [
        Some(&values.boot_url),
        values.boot_token.as_ref(),
        values.kernel_command_line.as_ref(),
        Some(&values.message),
    ];
    for value in named.into_iter().flatten() {
        if is_more_than_text(value) {
            return Err((None, format!("the value `{}` cannot stand in an iPXE script", value.escape_debug())));
        }
    }
    let script = text(template, values)?;
    if script.starts_with("#!ipxe") {
        Ok(script)
    } else {
        Err((Some(1), "an iPXE script must begin with #!ipxe".into()))
    }
}
