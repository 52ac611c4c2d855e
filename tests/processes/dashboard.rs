//! A person at a browser, from the first visit to a ready host and out again: the real binary, Debian's Chromium, a simulated machine.

use std::{fs, path::PathBuf, time::Duration};

use rackseed::simulator::{Habits, HeldWebhook};
use tokio::sync::mpsc;

use crate::{
    browser::Browser,
    daemon::serve,
    proof::ends_ready_with_one_join,
    world::{HOSTNAME, MAC, Way, World},
};

const NAME: &str = "operator";
const PASSWORD: &str = "a long enough password";
/// How long a machine may take until its installer has something to say.
const INSTALLED_LIMIT: Duration = Duration::from_secs(60);

/// The person, at the window.
struct Person {
    browser: Browser,
    base: String,
    _profile: tempfile::TempDir,
}

impl Person {
    async fn sit_down(world: &World) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let browser = Browser::start(profile.path()).await;
        browser.resize(1280, 900).await;
        Self { browser, base: world.operator.base().to_owned(), _profile: profile }
    }

    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.base)).await;
    }

    /// The part of the address after the daemon's.
    async fn place(&self) -> String {
        self.browser.place().await.replace(&self.base, "")
    }

    /// Whether a script says yes.
    async fn is(&self, script: &str) -> bool {
        self.browser.run(&format!("return Boolean({script})")).await.as_bool().unwrap()
    }

    /// Types the code that the daemon has printed, and makes the administrator.
    async fn claim(&self, world: &World) {
        self.open("/").await;
        assert_eq!(self.place().await, "/first-visit");
        self.browser.fill("#code", "ABCD-EFGH-JKMN").await;
        self.fill_in_the_rest().await;
        self.browser.see("main", "is not the set-up code").await;
        self.browser.fill("#code", &printed_code(&world.operator.daemon_log())).await;
        self.fill_in_the_rest().await;
        self.browser.see(".visitor", NAME).await;
    }

    async fn fill_in_the_rest(&self) {
        self.browser.fill("#name", NAME).await;
        self.browser.fill("#password", PASSWORD).await;
        self.browser.fill("#again", PASSWORD).await;
        self.browser.click("button[type=submit]").await;
    }

    /// Registers the host, after a MAC address that is none.
    async fn register(&self) -> String {
        self.browser.click("#open-register").await;
        self.browser.see("h1", "Register").await;
        self.browser.fill("#hostname", HOSTNAME).await;
        self.browser.fill("#mac", "52:54:00").await;
        self.browser.click("#register").await;
        self.browser.see("#mac-problem", "MAC address").await;
        self.browser.fill("#mac", &MAC.to_uppercase().replace(':', "-")).await;
        self.browser.click("#register").await;
        self.browser.see("h1", HOSTNAME).await;
        self.place().await.rsplit_once('/').unwrap().1.to_owned()
    }

    /// Arms the host; with another name than its own nothing happens.
    async fn rebuild(&self, host: &str) {
        self.browser.click("#open-rebuild").await;
        self.browser.see("#rebuild", "wipes").await;
        self.browser.fill("#confirm", "pve-02").await;
        assert!(self.is("document.querySelector('#start-rebuild').disabled").await, "the name is not the host's");
        // Without scripts, it is the daemon that refuses.
        self.browser
            .run("const form = document.querySelector('#start-rebuild').form; form.noValidate = true; form.submit()")
            .await;
        self.browser.see("main", "confirm").await;
        assert!(!self.is("document.querySelector('#state')?.innerText.includes('network boot')").await);
        self.open(&format!("/hosts/{host}/rebuild")).await;
        self.browser.fill("#confirm", HOSTNAME).await;
        self.browser.click("#start-rebuild").await;
        self.browser.see("#state", "waiting for network boot").await;
    }

    /// Leaves a mark on the tile of the host: it is gone as soon as the page is loaded anew.
    async fn mark(&self, selector: &str) {
        self.browser.run(&format!("document.querySelector('{selector}').dataset.marked = 'yes'")).await;
    }

    async fn is_marked(&self, selector: &str) -> bool {
        self.is(&format!("document.querySelector('{selector}')?.dataset.marked")).await
    }
}

/// The set-up code in what the daemon says.
fn printed_code(log: &str) -> String {
    let is_code = |word: &&str| word.len() == 14 && word.split('-').filter(|group| group.len() == 4).count() == 3;
    let code = log.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').find(is_code);
    code.unwrap_or_else(|| panic!("no set-up code in:\n{log}")).to_owned()
}

/// A guest on the fresh node, which may not be there.
fn guest(world: &World) -> PathBuf {
    world.stage.path("network").join(format!("nodes/{HOSTNAME}/etc/pve/nodes/{HOSTNAME}/lxc/100.conf"))
}

/// Lets the machine install, and holds the report of its end.
async fn install(world: &mut World) -> HeldWebhook {
    let (courier, mut held) = mpsc::unbounded_channel();
    world.switch_on_with(Habits { courier: Some(courier), ..World::patient() });
    let webhook = tokio::time::timeout(INSTALLED_LIMIT, held.recv()).await;
    webhook.unwrap_or_else(|_| panic!("nothing was installed\n{}", world.tell())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_claims_the_appliance_rebuilds_a_host_retries_what_failed_and_signs_out() {
    let mut world = World::set(Way::AddByKey).await;
    world.start(&mut serve(&world.stage.settings_file.clone()));
    world.operator.wait_until_served().await;
    let person = Person::sit_down(&world).await;
    let browser = &person.browser;
    person.claim(&world).await;
    browser.picture("story-1-claimed").await;
    let host = person.register().await;
    world.host.clone_from(&host);
    person.rebuild(&host).await;
    browser.picture("story-2-armed").await;

    // The list is left alone from here: what its tile shows comes by the live feed.
    person.open("/").await;
    let tile = format!("#h-{host}");
    browser.see(&tile, "waiting for network boot").await;
    person.mark("main").await;
    let webhook = install(&mut world).await;
    browser.see(&tile, "installing").await;
    let guest = guest(&world);
    fs::create_dir_all(guest.parent().unwrap()).unwrap();
    fs::write(&guest, "a guest of somebody else").unwrap();
    webhook.deliver().await.unwrap();
    browser.see(&tile, "already has guests").await;
    browser.see("main", "need").await;
    assert!(person.is_marked("main").await, "the page was loaded anew");
    browser.picture("story-3-needs-attention").await;

    let operation = world.operator.host(&host).await["operation"]["id"].as_str().unwrap().to_owned();
    person.open(&format!("/operations/{operation}")).await;
    browser.see("main", "needs attention").await;
    browser.see("main", "only a fresh node can join").await;
    browser.picture("story-4-operation").await;
    fs::remove_file(&guest).unwrap();
    person.mark("main").await;
    browser.click("#retry").await;
    person.open(&format!("/hosts/{host}")).await;
    person.mark("main").await;
    browser.see("#state", "ready").await;
    assert!(person.is_marked("main").await, "the page was loaded anew");
    ends_ready_with_one_join(&world).await;
    browser.see("#evidence", "refused").await;
    browser.picture("story-5-ready").await;

    person.open("/operations?status=ended").await;
    browser.click(&format!("a[href='/operations/{operation}']")).await;
    browser.see("main", "succeeded").await;
    let said = "details.said";
    browser.click(&format!("{said} summary")).await;
    assert!(
        person.is(&format!("document.querySelector('{said} pre').innerText.length > 10")).await,
        "the log is empty"
    );
    browser.picture("story-6-log").await;

    browser.click("#sign-out").await;
    browser.see("main", "Sign in").await;
    person.open(&format!("/hosts/{host}")).await;
    assert!(person.place().await.starts_with("/sign-in?next="), "{}", person.place().await);
    assert!(!person.is(&format!("document.body.innerText.includes('{HOSTNAME}')")).await);
    let log = world.operator.daemon_log();
    assert!(!log.contains(PASSWORD), "the password was logged");
}
