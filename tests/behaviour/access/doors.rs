//! What those are told who are not let in.

use super::first_visit::{claim, escaped};
use crate::support::house::{ADMINISTRATOR, Answer, House};

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

#[tokio::test]
async fn whoever_follows_a_link_from_elsewhere_is_asked_to_come_once_more_with_the_cookie() {
    let house = House::empty().await;
    claim(&house).await;
    let visit = |site: &'static str| {
        Answer::of(house.stranger().get(house.operator("/operations/aaaaaaaaaaaa")).header("sec-fetch-site", site))
    };
    let knock = visit("cross-site").await;
    assert_eq!(knock.status, 200);
    assert!(knock.text.contains(r#"http-equiv="refresh" content="0;url=/operations/aaaaaaaaaaaa""#), "{}", knock.text);
    // From our own page there is no second knock: whoever has no cookie then has none.
    for site in ["same-origin", "none"] {
        let sent = visit(site).await;
        assert_eq!((sent.status.as_u16(), sent.header("location")), (303, "/sign-in?next=/operations/aaaaaaaaaaaa"));
    }
    let program = house.stranger().get(house.operator("/api/hosts")).header("sec-fetch-site", "cross-site");
    assert_eq!(Answer::of(program).await.status, 401);
}

#[tokio::test]
async fn a_proxy_with_tls_is_believed_under_the_names_of_the_settings_alone() {
    let house = House::with(|settings| {
        settings.server.listen = "127.0.0.1:0".parse().unwrap();
        settings.server.trusted_origins = vec!["https://rackseed.example".to_owned()];
    })
    .await;
    claim(&house).await;
    let ask = |host: &'static str, origin: &'static str| {
        let request = house.client.post(house.operator("/api/hosts")).header("host", host).header("origin", origin);
        Answer::of(request.json(&serde_json::json!({})))
    };
    for (host, origin, status) in [
        ("rackseed.example", "https://rackseed.example", 422),
        ("rackseed.example", "http://rackseed.example", 403),
        ("rackseed.example", "https://other.example", 403),
        ("other.example", "https://other.example", 403),
        ("rackseed.example:8443", "https://rackseed.example:8443", 403),
        ("localhost", "https://rackseed.example", 403),
        ("localhost", "http://localhost", 422),
    ] {
        assert_eq!(ask(host, origin).await.status, status, "{host} {origin}");
    }
    let page = house.stranger().get(house.operator("/sign-in")).header("host", "rackseed.example");
    let page = Answer::of(page).await.text;
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let (name, password) = ADMINISTRATOR;
    let body = format!("name={name}&password={}&form_token={token}", escaped(password));
    let request = house.stranger().post(house.operator("/sign-in")).header("host", "rackseed.example");
    let request = request.header("origin", "https://rackseed.example");
    let signed_in = Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
    assert!(signed_in.header("set-cookie").ends_with("; Secure"), "its cookie is for TLS alone");
}
