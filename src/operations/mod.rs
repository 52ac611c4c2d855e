//! Long work as journaled sequences of steps: requested at a desk, moved by the engine from its journal alone, found by the runner.
//!
//! Steps are stateless and idempotent: look first, act if needed, look again. A restart and live running are one code path.

mod actions;
mod batch_desk;
mod cluster_access;
mod cluster_desk;
mod engine;
mod known_secrets;
mod member;
mod operation_desk;
mod pauses;
pub mod plans;
mod preflight;
mod rebuild_desk;
mod runner;
mod step;
pub mod steps;
mod transcript;
mod world;

pub use batch_desk::{BatchDesk, BatchRefusal, BatchWish, run_batches};
pub use cluster_access::{ClusterSettings, MemberCredential};
pub use cluster_desk::{ClusterAnswer, ClusterDesk, ClusterLook, Join, Joins};
pub use engine::{Advance, Engine};
pub use member::{GATE_KEY_PLACE, GateDesk, GateRefusal, GateRequest, GateView};
pub use operation_desk::{OperationDesk, OperationRefusal, OperationView};
pub use pauses::{Pause, Pauses};
pub use rebuild_desk::{Asked, RebuildDesk, RebuildRefusal, RebuildWish};
pub use runner::run_runner;
pub use step::{Outcome, Step, StepContext, StepError, StepKind};
pub use world::World;
