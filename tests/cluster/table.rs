//! Which facts about Proxmox VE the product relies on, what shows that the stand-in has them, and that each is named where it is reproduced.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A fact's number, what it says, and the test of the stand-in (or, where the fact is OpenSSH's own, of the product) that shows it.
const FACTS: &[(&str, &str, &str)] = &[
    (
        "1.1",
        "unknown options, `--password` among them, end with 400 and status 255",
        "wrong_words_are_told_by_the_exit_status",
    ),
    ("1.1", "a link may be written `address=A,priority=N`", "the_links_of_a_new_node_must_be_those_of_the_cluster"),
    (
        "1.2",
        "the password is one line of standard input",
        "a_failed_join_by_password_ends_with_status_0_and_changes_nothing",
    ),
    (
        "1.2",
        "a fingerprint is compared without regard to case",
        "a_failed_join_by_password_ends_with_status_0_and_changes_nothing",
    ),
    ("1.2", "two-factor login needs a terminal", "a_failed_join_by_password_ends_with_status_0_and_changes_nothing"),
    (
        "1.3",
        "the exit status of a failed join is 0; the task log ends in TASK ERROR",
        "a_failed_join_by_password_ends_with_status_0_and_changes_nothing",
    ),
    (
        "1.3",
        "addnode and delnode end with a status of their own",
        "the_second_node_counts_before_it_is_there_and_can_be_taken_back",
    ),
    ("1.4", "the node's name must resolve, or there is no /etc/pve", "wrong_words_are_told_by_the_exit_status"),
    ("1.4", "every reason against a join is told at once", "every_reason_against_a_join_is_told_at_once"),
    (
        "1.5",
        "a join replaces everything in /etc/pve, and the certificate",
        "a_join_takes_the_old_keys_and_everything_else_of_the_node_with_it",
    ),
    (
        "1.5",
        "the quorum is waited for without end",
        "a_second_node_that_dies_half_way_leaves_the_first_to_a_person_who_is_told_what_to_do",
    ),
    (
        "1.6",
        "keys in authorized_keys are lost, those in authorized_keys2 stay, open sessions too",
        "a_join_takes_the_old_keys_and_everything_else_of_the_node_with_it",
    ),
    (
        "1.6",
        "a dropped channel kills the worker and leaves a half-joined node",
        "a_dropped_channel_leaves_a_half_joined_node_that_can_be_recovered",
    ),
    ("1.7", "a new node counts before it is there", "the_second_node_counts_before_it_is_there_and_can_be_taken_back"),
    ("1.7", "locks are waited for, and old ones thrown away", "locks_are_waited_for_and_expire"),
    ("1.7", "the links of a new node are those of the cluster", "the_links_of_a_new_node_must_be_those_of_the_cluster"),
    (
        "1.7",
        "an address used twice is noticed among links alone",
        "an_address_that_is_used_twice_is_noticed_among_links_alone",
    ),
    (
        "1.8",
        "`.members` of a node that stands alone and of a member",
        "the_quorum_comes_before_anything_can_be_written",
    ),
    ("1.8", "the quorum comes before /etc/pve can be written", "the_quorum_comes_before_anything_can_be_written"),
    ("1.9", "adding a node needs root's ticket", "over_ssh_the_host_key_must_be_known_before"),
    (
        "1.10",
        "what delnode refuses, says and leaves; two nodes need `expected 1`",
        "a_node_is_removed_by_name_and_leaves_its_folder_behind",
    ),
    (
        "1.10",
        "a forced join overwrites an entry of the same name",
        "a_dropped_channel_leaves_a_half_joined_node_that_can_be_recovered",
    ),
    (
        "1.11",
        "over SSH the member's host key must be known and the node's key be authorised",
        "over_ssh_the_host_key_must_be_known_before",
    ),
];

fn texts(folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// The numbers in the comments of a text: `# 1.7: …`, `(1.3)`.
fn tags(text: &str) -> BTreeSet<String> {
    let comments = text.lines().filter_map(|line| line.split_once("# ").map(|(_, comment)| comment));
    let words = comments.flat_map(|comment| comment.split(|c: char| !c.is_ascii_digit() && c != '.'));
    let words = words.map(|word| word.trim_matches('.'));
    words.filter(|word| word.starts_with("1.") && word[2..].parse::<u8>().is_ok()).map(str::to_owned).collect()
}

#[test]
fn every_fact_is_named_where_it_is_reproduced_and_has_a_test() {
    let (stand_in, tests) = (texts("tests/cluster/stand_in"), texts("tests/cluster"));
    let tagged: BTreeSet<_> =
        stand_in.values().chain(texts("tests/cluster/node").values()).flat_map(|text| tags(text)).collect();
    let listed: BTreeSet<_> = FACTS.iter().map(|(number, ..)| (*number).to_owned()).collect();
    assert_eq!(tagged, listed, "left: the facts that the stand-in names; right: those of the table");
    for (number, what, test) in FACTS {
        let header = format!("#[test]\nfn {test}()");
        assert!(tests.values().any(|text| text.contains(&header)), "{number}, {what}: there is no test {test}");
    }
}
