//! What those are told who are not let in.

use crate::support::house::{Answer, House};

#[tokio::test]
async fn programs_are_told_what_to_send_and_nobody_learns_what_exists() {
    let house = House::empty().await;
    let stranger = house.stranger();
    for path in ["/api/hosts", "/api/hosts/aaaaaaaaaaaa", "/api/nothing", "/events", "/metrics"] {
        let answer = Answer::of(stranger.get(house.operator(path))).await;
        assert!(answer.problem(401).contains("first-visit"), "{path}: {}", answer.text);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
        for token in ["wrong", ""] {
            let answer =
                Answer::of(stranger.get(house.operator(path)).header("authorization", format!("Bearer {token}"))).await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    assert_eq!(Answer::of(stranger.put(house.operator("/api/hosts"))).await.status, 401);
    assert_eq!(Answer::of(stranger.get(house.operator("/nothing"))).await.status, 303);
    for open in ["/healthz", "/assets/style.css", "/assets/mark.svg", "/first-visit"] {
        assert_eq!(Answer::of(stranger.get(house.operator(open))).await.status, 200, "{open}");
    }
    let right = stranger
        .get(house.operator("/api/hosts"))
        .header("authorization", format!("bEARER {}", house.command_line_token()));
    assert_eq!(Answer::of(right).await.status, 200);
}
