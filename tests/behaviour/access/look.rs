//! The first visit, signing in and the account, as a person sees them in a browser.

use crate::support::{
    browser::Browser,
    house::{ADMINISTRATOR, House},
};

#[tokio::test]
async fn a_person_claims_the_daemon_makes_a_token_signs_out_and_in_again() {
    let house = House::empty().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.open(&house.operator("/")).await;
    browser.see("h1", "Welcome to Rackseed").await;
    let pictures = async |name: &str| {
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            browser.resize(width, 900).await;
            browser.scheme(scheme).await;
            browser.picture(&format!("access-{name}-{width}-{scheme}")).await;
            assert!(browser.overflow().await <= 0, "{name} is wider than {width} pixels");
        }
    };
    pictures("first-visit").await;
    let (name, password) = ADMINISTRATOR;
    for (field, text) in [("#code", "1111-2222-3333"), ("#name", name), ("#password", password), ("#again", password)] {
        browser.fill(field, text).await;
    }
    browser.click("#claim").await;
    browser.see("#code-problem", "this is not the set-up code").await;
    pictures("wrong-code").await;
    let code = house.daemon.first_visit.as_ref().unwrap().code.to_lowercase();
    for (field, text) in [("#code", code.as_str()), ("#password", password), ("#again", password)] {
        browser.fill(field, text).await;
    }
    browser.click("#claim").await;
    browser.see(".visitor", name).await;
    browser.open(&house.operator("/account")).await;
    browser.fill("#token-name", "monitoring").await;
    browser.click("#make-token").await;
    browser.see("#made-token", "rackseed_").await;
    browser.see("#tokens", "may only look").await;
    pictures("account").await;
    browser.resize(1280, 900).await;
    let cookie = browser.run("return document.cookie").await;
    assert_eq!(cookie, "", "scripts do not see the session");
    browser.click("#sign-out").await;
    browser.see("h1", "Sign in").await;
    browser.open(&house.operator("/audit")).await;
    pictures("sign-in").await;
    browser.fill("#name", name).await;
    browser.fill("#password", "a wrong password").await;
    browser.click("#sign-in").await;
    browser.see("#trouble", "do not belong together").await;
    browser.fill("#password", password).await;
    browser.click("#sign-in").await;
    browser.see(".visitor", name).await;
    assert!(browser.place().await.ends_with("/audit"), "{}", browser.place().await);
}
