//! Shows what a host would be given now, everything that is wrong with it, and what has changed since it was given an answer last.

use std::net::Ipv4Addr;

use super::answer_desk::AnswerDesk;
use crate::{
    domain::{
        answer::{AnswerReview, AnswerValues, ServedAnswer},
        host::Host,
        image::InstallerRelease,
        server_type::ServerType,
        text_difference,
    },
    ports::{CannotRender, LedgerError},
};

/// Stands for this rebuild's tokens in a preview.
const PREVIEW_TOKEN: &str = "made-for-each-rebuild";
/// Stands for this rebuild's key in a preview: a key of the right form that nobody holds.
pub(super) const PREVIEW_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA made-for-each-rebuild";
/// Stands for the address on which a machine will meet us.
const PREVIEW_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What has changed since a host was given an answer last.
#[derive(Debug, Clone)]
pub struct AnswerDifference {
    /// What it was given.
    pub served: ServedAnswer,
    /// The unified difference, without secrets; empty when nothing has changed.
    pub difference: String,
}

impl AnswerDesk {
    /// Renders what a host would be given now, with placeholders where a rebuild's own tokens and key will stand. A rebuild is refused
    /// before anything is armed when this fails.
    pub fn preview(
        &self,
        host: &Host,
        server_type: &ServerType,
        release: InstallerRelease,
    ) -> Result<String, CannotRender> {
        let review = self.review(host, server_type, release)?;
        review.toml.ok_or_else(|| CannotRender {
            what: format!("the answer for {}", host.hostname),
            problems: review.problems.iter().map(ToString::to_string).collect(),
        })
    }

    /// Says everything that is to be said of what a host would be given now.
    ///
    /// # Errors
    /// Only when there is no template to look at.
    pub fn review(
        &self,
        host: &Host,
        server_type: &ServerType,
        release: InstallerRelease,
    ) -> Result<AnswerReview, CannotRender> {
        self.review_at(host, server_type, release, PREVIEW_ADDRESS)
    }

    /// Compares what a host would be given now with what it was given last; `None` when it never was.
    pub async fn difference(
        &self,
        host: &Host,
        server_type: &ServerType,
        release: InstallerRelease,
    ) -> Result<Result<Option<AnswerDifference>, CannotRender>, LedgerError> {
        let Some(served) = self.rebuilds.served_answer(&host.id).await? else { return Ok(Ok(None)) };
        Ok(self.difference_to(host, server_type, release, served).map(Some))
    }

    fn difference_to(
        &self,
        host: &Host,
        server_type: &ServerType,
        release: InstallerRelease,
        served: ServedAnswer,
    ) -> Result<AnswerDifference, CannotRender> {
        let review = self.review_at(host, server_type, release, served.our)?;
        let toml = review.toml.ok_or_else(|| CannotRender {
            what: format!("the answer for {}", host.hostname),
            problems: review.problems.iter().map(ToString::to_string).collect(),
        })?;
        let difference = text_difference::unified(
            (&format!("given {} (installer {})", served.at, served.release), &served.answer),
            (&format!("now (installer {release})"), &self.catalog.redact_answer(&toml)),
        );
        Ok(AnswerDifference { served, difference })
    }

    fn review_at(
        &self,
        host: &Host,
        server_type: &ServerType,
        release: InstallerRelease,
        our: Ipv4Addr,
    ) -> Result<AnswerReview, CannotRender> {
        let name = host.options.answer.template_of(server_type);
        let template = self.catalog.answer_template(name).ok_or_else(|| CannotRender {
            what: format!("answer template `{name}`"),
            problems: vec!["there is no such file in the folder of answer templates".into()],
        })?;
        let mut root_ssh_keys = self.root_ssh_keys.clone();
        root_ssh_keys.push(PREVIEW_KEY.to_owned());
        let callback = |what| self.urls.callback(our, &host.id, what, PREVIEW_TOKEN);
        let values = AnswerValues {
            webhook_url: callback("installed"),
            first_boot_url: callback("first-boot-script"),
            root_ssh_keys,
            ..self.values(host, server_type, release)
        };
        Ok(self.catalog.review_answer(name, &template, &values))
    }
}
