//! The first visit claims the daemon, once; after it, people sign in.

use reqwest::header::{LOCATION, SET_COOKIE};

use crate::support::house::{ADMINISTRATOR, Answer, House};

/// A form of a page that is open to everybody, as a browser would send it.
pub(super) async fn send(house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = Answer::of(house.stranger().get(house.operator(path))).await;
    let token = page.text.split_once("name=\"form_token\" value=\"").map_or("", |(_, rest)| rest);
    let token = token.split_once('"').map_or("", |(token, _)| token);
    let fields = fields.iter().copied().chain([("form_token", token)]);
    let body: String = fields.map(|(name, text)| format!("{name}={}&", escaped(text))).collect();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    Answer::of(house.stranger().post(house.operator(path)).header(kind.0, kind.1).body(body)).await
}

pub(super) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Makes the administrator and returns the cookie of the session.
pub(super) async fn claim(house: &House) -> String {
    let code = &house.daemon.first_visit.as_ref().unwrap().code;
    let (name, password) = ADMINISTRATOR;
    let fields = [("code", code.as_str()), ("name", name), ("password", password), ("again", password)];
    let answer = send(house, "/first-visit", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"), "{}", answer.text);
    cookie(&answer)
}

/// The cookie that an answer sets, as it is sent back.
pub(super) fn cookie(answer: &Answer) -> String {
    answer.headers[SET_COOKIE].to_str().unwrap().split_once(';').unwrap().0.to_owned()
}

#[tokio::test]
async fn the_set_up_code_claims_a_daemon_once() {
    let house = House::empty().await;
    let home = Answer::of(house.stranger().get(house.operator("/hosts/abc"))).await;
    assert_eq!((home.status.as_u16(), home.header("location")), (303, "/first-visit"));
    let code = house.daemon.first_visit.as_ref().unwrap().code.clone();
    let fields = |code: &'static str| {
        [("code", code), ("name", "admin"), ("password", "a good password"), ("again", "a good password")]
    };
    let wrong = send(&house, "/first-visit", &fields("AAAA-BBBB-CCCC")).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text.contains("this is not the set-up code") && wrong.text.contains("value=\"admin\""),
        "{}",
        wrong.text
    );
    let cookie = claim(&house).await;
    let page = Answer::of(house.stranger().get(house.operator("/")).header("cookie", &cookie)).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(">admin<"), "{}", page.text);
    let again =
        [("code", code.as_str()), ("name", "other"), ("password", "a good password"), ("again", "a good password")];
    // The form's own page is not there any more, so its token is that of the page for signing in.
    assert_eq!(Answer::of(house.stranger().get(house.operator("/first-visit"))).await.headers[LOCATION], "/");
    assert_eq!(send(&house, "/first-visit", &again).await.status, 403);
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field() {
    let house = House::empty().await;
    let code = &house.daemon.first_visit.as_ref().unwrap().code;
    for (name, password, again, said) in [
        ("", "a good password", "a good password", "a name is needed"),
        ("two words", "a good password", "a good password", "a space"),
        ("admin", "short", "short", "at least 10 characters"),
        ("administrator", "administrator", "administrator", "nothing but the name"),
        ("admin", "a good password", "a good passwort", "not what was typed above"),
    ] {
        let fields = [("code", code.as_str()), ("name", name), ("password", password), ("again", again)];
        let answer = send(&house, "/first-visit", &fields).await;
        assert_eq!(answer.status, 422, "{name} {password}");
        assert!(answer.text.contains(said), "{said}: {}", answer.text);
        assert!(!answer.text.contains("good password"), "a password is never repeated");
    }
    claim(&house).await;
}

#[tokio::test]
async fn people_sign_in_go_on_to_where_they_were_and_sign_out() {
    let house = House::empty().await;
    claim(&house).await;
    let asked = Answer::of(house.stranger().get(house.operator("/audit?limit=5"))).await;
    assert_eq!((asked.status.as_u16(), asked.header("location")), (303, "/sign-in?next=/audit%3Flimit%3D5"));
    let (name, password) = ADMINISTRATOR;
    let wrong = send(&house, "/sign-in", &[("name", name), ("password", "a wrong password"), ("next", "/audit")]).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("do not belong together") && wrong.text.contains("value=\"admin\""), "{}", wrong.text);
    for (next, place) in [("/audit?limit=5", "/audit?limit=5"), ("//evil.example", "/"), ("https://evil.example", "/")]
    {
        let right = send(&house, "/sign-in", &[("name", "ADMIN"), ("password", password), ("next", next)]).await;
        assert_eq!((right.status.as_u16(), right.header("location")), (303, place));
        let set = right.header("set-cookie").to_owned();
        for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
            assert!(set.split("; ").any(|it| it == flag), "{set}");
        }
        let cookie = cookie(&right);
        let page = Answer::of(house.stranger().get(house.operator("/")).header("cookie", &cookie)).await;
        let token = page.text.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0;
        let out = house.stranger().post(house.operator("/sign-out")).header("cookie", &cookie);
        let out = out.header("content-type", "application/x-www-form-urlencoded");
        let out = Answer::of(out.body(format!("form_token={token}"))).await;
        assert_eq!((out.status.as_u16(), out.header("location")), (303, "/sign-in"));
        assert!(out.header("set-cookie").contains("Max-Age=0"));
        let gone = Answer::of(house.stranger().get(house.operator("/")).header("cookie", &cookie)).await;
        assert_eq!((gone.status.as_u16(), gone.header("location")), (303, "/sign-in"));
    }
}
