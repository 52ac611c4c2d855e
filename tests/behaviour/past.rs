//! What people ask of the past: lists of operations, of what happened, and of who did what, limited by what stands in the address.

mod batch_pages;
mod lists;
mod operation_page;

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

pub(crate) const MAC: &str = "52:54:00:00:00:01";

/// Brings a rebuild to the point from which it parks, and lets the machine report a failure that a person must look at.
pub(crate) async fn answered(house: &House, mac: &str, operation: &str) {
    house.boot_machine(mac, operation).await;
    let token = house.token(operation, TokenPurpose::Answer).await;
    let report = json!({ "network_interfaces": [{ "link": "eno1", "mac": mac }] });
    // The step before must be seen as done first.
    for _ in 0..200 {
        let ask = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}"))).json(&report);
        if Answer::of(ask).await.status == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the installer is given no answer");
}

/// The ids, or another field, of the items of a list.
pub(crate) fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap_or_default()).collect()
}
