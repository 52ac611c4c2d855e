//! An image on its way into the library: where it comes from and how far it is.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{ImageId, InvalidIdentity, OperationId};

/// Names an addition: twelve characters of lower-case base32, safe in URLs and as a folder's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdditionId(OperationId);

impl AdditionId {
    /// Makes an id from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(OperationId::from_random(random))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for AdditionId {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused =
            || InvalidIdentity(format!("`{}` is not the id of an addition", text.chars().take(40).collect::<String>()));
        text.parse().map(Self).map_err(|_| refused())
    }
}

impl fmt::Display for AdditionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

super::words::words!(
    /// What is being done for an addition.
    AdditionStage, "stage of an addition" {
        /// Its file is being sent to us, or we wait for more of it.
        Uploading = "uploading",
        /// Its file is being fetched.
        Downloading = "downloading",
        /// Another addition goes first.
        Waiting = "waiting",
        /// Its checksum is computed.
        Checking = "checking",
        /// It is looked into, and kernel and initrd are taken out.
        Extracting = "extracting",
        /// The copy for network boot is written.
        Packing = "packing",
        /// Everything is written to the disk and recorded.
        Finishing = "finishing",
        /// The image is in the library.
        Done = "done",
        /// It was not added.
        Failed = "failed",
    }
);

impl AdditionStage {
    /// Whether nothing more happens.
    pub fn is_over(self) -> bool {
        match self {
            Self::Done | Self::Failed => true,
            Self::Uploading
            | Self::Downloading
            | Self::Waiting
            | Self::Checking
            | Self::Extracting
            | Self::Packing
            | Self::Finishing => false,
        }
    }

    /// What a person is told.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Uploading => "being uploaded",
            Self::Downloading => "being downloaded",
            Self::Waiting => "waiting for another addition",
            Self::Checking => "being checked",
            Self::Extracting => "having its kernel and initrd taken out",
            Self::Packing => "being packed for network boot",
            Self::Finishing => "being written to the disk",
            Self::Done => "in the library",
            Self::Failed => "not added",
        }
    }
}

/// An image on its way into the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Our id of it.
    pub id: AdditionId,
    /// The name of the file.
    pub name: String,
    /// Where it is fetched from, without a password; absent for uploads.
    pub url: Option<String>,
    /// What is being done.
    pub stage: AdditionStage,
    /// How many bytes of the stage are done.
    pub done_bytes: u64,
    /// How many there are, as far as that is known.
    pub total_bytes: Option<u64>,
    /// Why it failed, or why it makes no progress at the moment.
    pub problem: Option<String>,
    /// The image that it became.
    pub image: Option<ImageId>,
    /// When it began.
    pub started_at: Timestamp,
}

impl Addition {
    /// How far it is, in one sentence.
    pub fn sentence(&self) -> String {
        let mebibytes = |bytes: u64| bytes >> 20;
        let mut sentence = format!("{} is {}", self.name, self.stage.sentence());
        match (self.stage, self.total_bytes) {
            (AdditionStage::Uploading | AdditionStage::Downloading | AdditionStage::Checking, Some(total)) => {
                sentence += &format!(", {} of {} MiB", mebibytes(self.done_bytes), mebibytes(total));
            }
            (AdditionStage::Uploading | AdditionStage::Downloading, None) => {
                sentence += &format!(", {} MiB so far", mebibytes(self.done_bytes));
            }
            _ => {}
        }
        if let Some(problem) = &self.problem {
            sentence += &format!(": {problem}");
        }
        sentence
    }
}
