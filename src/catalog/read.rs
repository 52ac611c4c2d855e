//! Reads every file of the three folders, and checks every one before any is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use super::{
    CatalogFolders, answer,
    answer::Purpose,
    built_in,
    places::{line_of, line_of_key},
    redact::redact_line,
    render, server_types,
};
use crate::domain::{
    answer::AnswerValues,
    answer_file::{AnswerFile, NEWEST_DIALECT},
    answer_options::AnswerOptions,
    catalog::{CatalogProblem, ScriptName, ScriptValues},
    catalog_view::{CatalogContents, Placed, QuotedProblem},
    identity::{MacAddress, ServerTypeName, TemplateName},
    image::{InstallerRelease, OLDEST_INSTALLER},
    server_type::ServerType,
};

/// A larger file is not read.
const LARGEST_FILE_BYTES: u64 = 1 << 20;
/// More of a line is not quoted.
const LONGEST_QUOTE: usize = 300;
/// A file with one of these in the wrong folder, or written otherwise, was meant for us.
const OUR_EXTENSIONS: &[&str] = &["yaml", "yml", "toml", "ipxe", "json"];

/// One file as it was read.
pub(super) struct File {
    /// `FOLDER/NAME`, as people are told of it.
    pub(super) name: String,
    /// The name without its extension.
    pub(super) stem: String,
    /// What it holds.
    pub(super) text: String,
}

/// Everything that was read.
pub(super) struct Files {
    server_types: Vec<File>,
    answer_templates: Vec<File>,
    scripts: Vec<File>,
    problems: Vec<CatalogProblem>,
}

impl Files {
    /// A hash of everything, to notice a change.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in self.server_types.iter().chain(&self.answer_templates).chain(&self.scripts) {
            (&file.name, &file.text).hash(&mut hasher);
        }
        self.problems.iter().for_each(|problem| problem.to_string().hash(&mut hasher));
        hasher.finish()
    }

    /// Quotes the line of a problem, without what may be a secret in it.
    pub(super) fn quoted(&self, problem: &CatalogProblem) -> QuotedProblem {
        let mut files = self.server_types.iter().chain(&self.answer_templates).chain(&self.scripts);
        let line = |number: usize| {
            let file = files.find(|file| file.name == problem.file)?;
            let number = line_of_key(&file.text, number, &problem.rule).unwrap_or(number);
            let line = file.text.lines().nth(number.checked_sub(1)?)?;
            Some((number, redact_line(line.trim_end()).chars().take(LONGEST_QUOTE).collect()))
        };
        QuotedProblem { quote: problem.line.and_then(line), problem: problem.clone() }
    }
}

/// Reads the folders.
pub(super) fn read_files(folders: &CatalogFolders) -> Files {
    let mut problems = Vec::new();
    Files {
        server_types: read_folder(&folders.server_types, "yaml", &mut problems),
        answer_templates: read_folder(&folders.answer_templates, "toml", &mut problems),
        scripts: read_folder(&folders.ipxe, "ipxe", &mut problems),
        problems,
    }
}

/// What became of the files.
pub(super) struct Checked {
    /// What could be read, also where it breaks a rule.
    pub(super) contents: CatalogContents,
    /// Every problem at once; with none, the contents may be used.
    pub(super) problems: Vec<CatalogProblem>,
    /// The server types that break no rule, nor do their templates.
    pub(super) usable_types: BTreeSet<ServerTypeName>,
    /// The templates that break no rule.
    pub(super) usable_templates: BTreeSet<TemplateName>,
    /// Whether every script is there and breaks no rule.
    pub(super) scripts_are_good: bool,
}

/// Checks everything.
pub(super) fn check_files(files: &Files) -> Checked {
    let mut problems = files.problems.clone();
    let answer_templates = check_templates(&files.answer_templates, &mut problems);
    let is_broken =
        |template: &Placed<String>| problems.iter().any(|problem| template.file.as_ref() == Some(&problem.file));
    let good = answer_templates.iter().filter(|(_, template)| !is_broken(template));
    let usable_templates: BTreeSet<_> = good.map(|(name, _)| name.clone()).collect();
    let types = server_types::read(&files.server_types, &mut problems);
    let mut usable_types = BTreeSet::new();
    for (kind, file, line) in &types {
        let mut is_good = kind.check().is_empty() && usable_templates.contains(&kind.answer_template);
        let mut broken = |rule: String| {
            is_good = false;
            let rule = format!("server type `{}`: {rule}", kind.name);
            problems.push(CatalogProblem { file: file.clone(), line: *line, rule });
        };
        match files.answer_templates.iter().find(|template| template.stem == kind.answer_template.as_str()) {
            None => broken(format!("names the answer template `{}`, and there is no such file", kind.answer_template)),
            Some(template) => {
                // What is wrong with the template alone is said where it stands.
                let of_template = broken_rules(&template.text, &sample_type(), Purpose::Template);
                let rules = broken_rules(&template.text, kind, Purpose::ServerType);
                rules.into_iter().filter(|rule| !of_template.contains(rule)).for_each(&mut broken);
            }
        }
        if is_good {
            usable_types.insert(kind.name.clone());
        }
    }
    let problems_before = problems.len();
    let scripts = check_scripts(&files.scripts, &mut problems);
    let scripts_are_good = problems.len() == problems_before;
    let server_types = types
        .into_iter()
        .map(|(kind, file, line)| (kind.name.clone(), Placed { value: kind, file: Some(file), line }))
        .collect();
    let contents = CatalogContents { server_types, answer_templates, scripts };
    Checked { contents, problems, usable_types, usable_templates, scripts_are_good }
}

fn check_templates(files: &[File], problems: &mut Vec<CatalogProblem>) -> BTreeMap<TemplateName, Placed<String>> {
    let mut templates = BTreeMap::new();
    for file in files {
        let mut broken =
            |line: Option<usize>, rule: String| problems.push(CatalogProblem { file: file.name.clone(), line, rule });
        let name = match file.stem.parse::<TemplateName>() {
            Ok(name) => name,
            Err(error) => {
                broken(None, error.to_string());
                continue;
            }
        };
        match answer::parse(&file.text) {
            Err((line, rule)) => broken(line, rule),
            Ok(_) => broken_rules(&file.text, &sample_type(), Purpose::Template)
                .into_iter()
                .for_each(|rule| broken(line_of(&file.text, &rule), rule)),
        }
        templates.insert(name, whole(file));
    }
    templates
}

/// Every rule that an answer template breaks, whatever host and server type will bring.
pub fn check_template(template: &str) -> Vec<String> {
    match answer::parse(template) {
        Err((_, rule)) => vec![rule],
        Ok(_) => broken_rules(template, &sample_type(), Purpose::Template),
    }
}

/// The rules that a template breaks, in the newest dialect and in the oldest. One that asks for what only newer installers have is good: a
/// rebuild with an older image is refused before anything is armed.
fn broken_rules(template: &str, server_type: &ServerType, purpose: Purpose) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    for release in [NEWEST_DIALECT, OLDEST_INSTALLER] {
        let values = AnswerValues { server_type: server_type.clone(), ..sample_values(release) };
        let composed = answer::compose(template, &values, purpose);
        for rule in composed.notes.problems().iter().filter(|rule| !AnswerFile::is_of_the_release(rule)) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules
}

/// A server type for a template that is looked at alone: it says nothing about disks.
fn sample_type() -> ServerType {
    ServerType { boot_disk: None, ..ServerType::sample() }
}

/// A text that has its file for itself.
fn whole(file: &File) -> Placed<String> {
    Placed { value: file.text.clone(), file: Some(file.name.clone()), line: None }
}

fn check_scripts(files: &[File], problems: &mut Vec<CatalogProblem>) -> BTreeMap<ScriptName, Placed<String>> {
    let mut scripts = BTreeMap::new();
    for script in ScriptName::ALL {
        let Some(file) = files.iter().find(|file| file.stem == script.word()) else {
            if !script.is_required() {
                let value = built_in::WAIT_SCRIPT.to_owned();
                scripts.insert(*script, Placed { value, file: None, line: None });
                continue;
            }
            let rule = format!("the script {}.ipxe is missing", script.word());
            problems.push(CatalogProblem { file: format!("ipxe/{}.ipxe", script.word()), line: None, rule });
            continue;
        };
        for uefi in [false, true] {
            if let Err((line, rule)) = render::script_text(&file.text, &sample_script_values(*script, uefi)) {
                problems.push(CatalogProblem { file: file.name.clone(), line, rule });
                break;
            }
        }
        scripts.insert(*script, whole(file));
    }
    for file in files.iter().filter(|file| ScriptName::ALL.iter().all(|script| script.word() != file.stem)) {
        problems.push(CatalogProblem {
            file: file.name.clone(),
            line: None,
            rule: "is no script that we use; remove or rename it".into(),
        });
    }
    scripts
}

fn read_folder(folder: &Path, extension: &str, problems: &mut Vec<CatalogProblem>) -> Vec<File> {
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut broken = |file: String, rule: String| problems.push(CatalogProblem { file, line: None, rule });
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            broken(folder_name, format!("the folder {} cannot be read: {error}", folder.display()));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let shown = format!("{folder_name}/{name}");
        // Editors' backups, notes and hidden files (`..data` of mounted maps) are nobody's business.
        let found = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || found != extension {
            if !name.starts_with('.') && OUR_EXTENSIONS.contains(&found.to_ascii_lowercase().as_str()) {
                broken(shown, format!("is not read: the files here end in `.{extension}`; rename or remove it"));
            }
            continue;
        }
        match read_small(&path) {
            Ok(text) => {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                files.push(File { name: shown, stem, text });
            }
            Err(rule) => broken(shown, rule),
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files
}

fn read_small(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let metadata = fs::metadata(path).map_err(cannot)?;
    // A pipe would never end.
    if !metadata.is_file() {
        return Err("is not a file".into());
    }
    if metadata.len() > LARGEST_FILE_BYTES {
        return Err(format!("has {} bytes; at most {LARGEST_FILE_BYTES} are read", metadata.len()));
    }
    fs::read_to_string(path).map_err(cannot)
}

/// Values with which every template must render.
fn sample_values(release: InstallerRelease) -> AnswerValues {
    AnswerValues {
        hostname: "sample".into(),
        domain: "home.arpa".into(),
        mac: sample_mac(),
        server_type: ServerType::sample(),
        options: AnswerOptions::default(),
        known_disks: Vec::new(),
        known_cards: Vec::new(),
        root_password_hash: "$6$sample$sample".into(),
        root_ssh_keys: vec!["ssh-ed25519 AAAA sample".into()],
        webhook_url: "https://192.0.2.1:8443/installed".into(),
        first_boot_url: "https://192.0.2.1:8443/first-boot-script".into(),
        certificate_fingerprint: "0".repeat(64),
        release,
    }
}

/// Just the values that the script is given when it is needed.
fn sample_script_values(script: ScriptName, uefi: bool) -> ScriptValues {
    let (has_token, has_kernel) = match script {
        ScriptName::Identify | ScriptName::Wait => (true, false),
        ScriptName::Install => (true, true),
        ScriptName::Local | ScriptName::Refuse => (false, false),
    };
    ScriptValues {
        mac: sample_mac(),
        hostname: None,
        boot_url: "http://192.0.2.1:8081".into(),
        boot_token: has_token.then(|| "token".into()),
        kernel_command_line: has_kernel.then(|| "quiet".into()),
        uefi,
        message: "a sample".into(),
    }
}

fn sample_mac() -> MacAddress {
    match MacAddress::from_bytes([0x52, 0x54, 0, 0x12, 0x34, 0x56]) {
        Ok(mac) => mac,
        Err(_) => unreachable!("a constant address"),
    }
}
