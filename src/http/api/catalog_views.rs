//! The forms in which programs, and the page, read what the catalog holds.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        catalog::ScriptName,
        catalog_difference::{CatalogChange, Effect, difference},
        catalog_view::{BrokenEdit, CatalogContents, CatalogView, GoodEdit, Placed},
        host::Host,
        image::Image,
        image_choice::{Wishes, choose_image},
        server_type::ServerType,
    },
    http::{OperatorState, schema::described},
    ports::{Catalog, LedgerError},
};

described! {
    /// How the catalog is doing, and what it holds.
    #[derive(Debug, Serialize)]
    pub(crate) struct CatalogJson as "Catalog" {
        /// When the catalog that is in use was read.
        loaded_at: Timestamp,
        /// What is wrong with the files as they are now; while there is any, the last good catalog stays in use.
        problems: Vec<CatalogProblemJson>,
        /// The names of the server types in use.
        server_types: Vec<String>,
        /// The names of the answer templates in use.
        answer_templates: Vec<String>,
        /// The names of the iPXE scripts in use.
        scripts: Vec<String>,
        /// The server types in use, with everything that they say.
        types: Vec<ServerTypeJson>,
        /// The answer templates in use, with their texts.
        templates: Vec<TemplateJson>,
        /// The iPXE scripts in use, with their texts.
        script_texts: Vec<ScriptJson>,
        /// The last good edit since the start, and what it changes.
        last_edit: Option<EditJson>,
        /// What the files as they are now would do, where they cannot be used.
        broken_edit: Option<BrokenEditJson>,
    }
}

described! {
    /// One rule that one file of the catalog breaks.
    #[derive(Debug, Serialize)]
    pub(crate) struct CatalogProblemJson as "CatalogProblem" {
        /// The file.
        file: String,
        /// The line, from 1, where it can be told.
        line: Option<usize>,
        /// The rule and what to do.
        rule: String,
        /// The line that breaks it as it is written, without what may be a secret.
        quote: Option<String>,
        /// The number of that line; it may stand below `line`, which is where the broken thing begins.
        quote_line: Option<usize>,
    }
}

described! {
    /// A host, by its names.
    #[derive(Debug, Clone, Serialize)]
    pub(crate) struct HostNameJson as "HostName" {
        /// Its id.
        id: String,
        /// Its name.
        hostname: String,
    }
}

described! {
    /// One value in words.
    #[derive(Debug, Serialize)]
    pub(crate) struct WordJson as "Word" {
        /// Its name.
        label: String,
        /// The value; absent where nothing is said.
        value: Option<String>,
        /// What holds where nothing is said.
        otherwise: String,
    }
}

described! {
    /// A kind of server.
    #[derive(Debug, Serialize)]
    pub(crate) struct ServerTypeJson as "ServerType" {
        /// Its name.
        name: String,
        /// What a person reads.
        display_name: String,
        /// The file that it is written in.
        file: String,
        /// The line where it begins, where it can be told.
        line: Option<usize>,
        /// Every value in words.
        values: Vec<WordJson>,
        /// The whole kernel command line of the installer.
        kernel_command_line: String,
        /// Why no host of this type could be rebuilt now, besides what is said of single hosts.
        trouble: Option<String>,
        /// The hosts of this type.
        hosts: Vec<HostNameJson>,
    }
}

described! {
    /// An answer template.
    #[derive(Debug, Serialize)]
    pub(crate) struct TemplateJson as "AnswerTemplate" {
        /// Its name.
        name: String,
        /// Its file.
        file: String,
        /// Its text, without secrets.
        text: String,
        /// The server types that name it.
        server_types: Vec<String>,
        /// The hosts that would be given it.
        hosts: Vec<HostNameJson>,
    }
}

described! {
    /// An iPXE script.
    #[derive(Debug, Serialize)]
    pub(crate) struct ScriptJson as "CatalogScript" {
        /// Its name.
        name: String,
        /// What it is for.
        purpose: String,
        /// Its file; absent where the program brings it.
        file: Option<String>,
        /// Its text.
        text: String,
    }
}

described! {
    /// The last good edit of the catalog.
    #[derive(Debug, Serialize)]
    pub(crate) struct EditJson as "CatalogEdit" {
        /// When it was taken into use.
        at: Timestamp,
        /// What it changed.
        changes: Vec<ChangeJson>,
    }
}

described! {
    /// One thing that an edit changed.
    #[derive(Debug, Serialize)]
    pub(crate) struct ChangeJson as "CatalogChange" {
        /// The whole in one sentence.
        sentence: String,
        /// What: `disk rule of generic-sata`.
        what: String,
        /// What it was, in words; absent for texts.
        before: Option<String>,
        /// What it is now; absent for texts.
        after: Option<String>,
        /// The unified difference of a text, without secrets.
        difference: Option<String>,
        /// `next_rebuild`, `next_network_boot` or `words_only`.
        effect: String,
        /// The hosts that it affects.
        hosts: Vec<HostNameJson>,
    }
}

described! {
    /// An edit that cannot be used.
    #[derive(Debug, Serialize)]
    pub(crate) struct BrokenEditJson as "BrokenCatalogEdit" {
        /// When it was seen first.
        since: Timestamp,
        /// The hosts that could not be rebuilt if the files as they are now were all that there is.
        stranded: Vec<StrandedJson>,
    }
}

described! {
    /// A host that could not be rebuilt.
    #[derive(Debug, Serialize)]
    pub(crate) struct StrandedJson as "StrandedHost" {
        /// Its id.
        id: String,
        /// Its name.
        hostname: String,
        /// Why.
        reason: String,
    }
}

impl HostNameJson {
    fn new(host: &Host) -> Self {
        Self { id: host.id.to_string(), hostname: host.hostname.to_string() }
    }

    fn all<'a>(hosts: impl IntoIterator<Item = &'a Host>) -> Vec<Self> {
        hosts.into_iter().map(Self::new).collect()
    }
}

impl CatalogJson {
    /// Looks at all of it.
    pub(crate) async fn new(state: &OperatorState) -> Result<Self, LedgerError> {
        let (hosts, images) = (state.hosts.hosts().await?, state.images.images().await?);
        let (status, view) = (state.catalog.status(), state.catalog.view());
        let CatalogView { loaded_at, contents, last_edit, broken } = &view;
        let problems = broken.iter().flat_map(|broken| &broken.problems).map(|quoted| CatalogProblemJson {
            file: quoted.problem.file.clone(),
            line: quoted.problem.line,
            rule: quoted.problem.rule.clone(),
            quote: quoted.quote.as_ref().map(|(_, text)| text.clone()),
            quote_line: quoted.quote.as_ref().map(|(line, _)| *line),
        });
        Ok(Self {
            loaded_at: *loaded_at,
            problems: problems.collect(),
            server_types: status.server_types,
            answer_templates: status.answer_templates,
            scripts: status.scripts,
            types: contents.server_types.values().map(|kind| ServerTypeJson::new(kind, &hosts, &images)).collect(),
            templates: templates(contents, &hosts, state.catalog.as_ref()),
            script_texts: contents.scripts.iter().map(|(name, text)| ScriptJson::new(*name, text)).collect(),
            last_edit: last_edit.as_ref().map(|edit| EditJson::new(edit, contents, &hosts, state.catalog.as_ref())),
            broken_edit: broken.as_ref().map(|broken| BrokenEditJson::new(broken, contents, &hosts)),
        })
    }
}

impl ServerTypeJson {
    fn new(placed: &Placed<ServerType>, hosts: &[Host], images: &[Image]) -> Self {
        let kind = &placed.value;
        let words = kind.in_words().into_iter().map(|word| WordJson {
            label: word.label.to_owned(),
            value: word.value,
            otherwise: word.otherwise.to_owned(),
        });
        let wishes = Wishes { server_type: kind.image.as_deref(), ..Wishes::default() };
        Self {
            name: kind.name.to_string(),
            display_name: kind.display_name.clone(),
            file: placed.file.clone().unwrap_or_default(),
            line: placed.line,
            values: words.collect(),
            kernel_command_line: kind.kernel_command_line(),
            trouble: choose_image(images, wishes).err().map(|missing| missing.to_string()),
            hosts: HostNameJson::all(hosts.iter().filter(|host| host.server_type == kind.name)),
        }
    }
}

fn templates(contents: &CatalogContents, hosts: &[Host], catalog: &dyn Catalog) -> Vec<TemplateJson> {
    let kinds = || contents.server_types.values().map(|kind| &kind.value);
    let all = contents.answer_templates.iter();
    all.map(|(name, text)| TemplateJson {
        name: name.to_string(),
        file: text.file.clone().unwrap_or_default(),
        text: catalog.readable_template(&text.value),
        server_types: kinds().filter(|kind| kind.answer_template == *name).map(|kind| kind.name.to_string()).collect(),
        hosts: HostNameJson::all(hosts.iter().filter(|host| contents.template_of(host) == Some(name))),
    })
    .collect()
}

impl ScriptJson {
    fn new(name: ScriptName, text: &Placed<String>) -> Self {
        let purpose = match name {
            ScriptName::Identify => "asks the machine who it is, first of all",
            ScriptName::Install => "boots the installer of an armed rebuild",
            ScriptName::Local => "boots the local disk in the way of the firmware",
            ScriptName::Refuse => "shows why nothing is installed, then boots the local disk",
            ScriptName::Wait => "keeps the machine until it has left its cluster",
        };
        Self {
            name: name.word().to_owned(),
            purpose: purpose.to_owned(),
            file: text.file.clone(),
            text: text.value.clone(),
        }
    }
}

impl EditJson {
    fn new(edit: &GoodEdit, in_use: &CatalogContents, hosts: &[Host], catalog: &dyn Catalog) -> Self {
        let readable = |text: &str| catalog.readable_template(text);
        let changes = difference(&edit.before, in_use, hosts, &readable);
        Self { at: edit.at, changes: changes.into_iter().map(ChangeJson::new).collect() }
    }
}

impl ChangeJson {
    fn new(change: CatalogChange<'_>) -> Self {
        let values = change
            .values
            .as_ref()
            .map_or_else(|| " has another text".to_owned(), |(before, after)| format!(": {before} → {after}"));
        let names: Vec<_> = change.hosts.iter().map(|host| host.hostname.to_string()).collect();
        let affects = match (change.when, names.is_empty()) {
            (Effect::WordsOnly, _) => change.when.words().to_owned(),
            (Effect::NextRebuild | Effect::NextNetworkBoot, true) => "affects no host".to_owned(),
            (Effect::NextRebuild | Effect::NextNetworkBoot, false) => {
                format!("affects {} {}", names.join(", "), change.when.words())
            }
        };
        let (before, after) = change.values.unzip();
        Self {
            sentence: format!("{}{values}: {affects}", change.what),
            what: change.what,
            before,
            after,
            difference: change.difference,
            effect: change.when.word().to_owned(),
            hosts: HostNameJson::all(change.hosts),
        }
    }
}

impl BrokenEditJson {
    fn new(broken: &BrokenEdit, in_use: &CatalogContents, hosts: &[Host]) -> Self {
        let stranded = broken.stranded(hosts, in_use).into_iter().map(|(host, reason)| StrandedJson {
            id: host.id.to_string(),
            hostname: host.hostname.to_string(),
            reason,
        });
        Self { since: broken.since, stranded: stranded.collect() }
    }
}
