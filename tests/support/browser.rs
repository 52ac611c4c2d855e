//! Debian's Chromium, driven by `chromedriver` over the protocol of `WebDriver` (W3C), without a crate for it.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use data_encoding::BASE64;
use serde_json::{Value, json};

/// Under this key an element is told (the W3C protocol §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How often is looked for what should appear, every 50 ms.
const LOOKS: u32 = 200;

/// One browser with one window; closed when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser too: chromedriver takes its session with it.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts a browser with a window of this width, in the light or dark scheme.
    pub(crate) async fn start(profile: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the test needs chromium-driver");
        let client = rackseed::daemon::http_client(Duration::from_secs(60)).unwrap();
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), client };
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            format!("--user-data-dir={}", profile.display()),
        ]);
        let options = json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        for _ in 0..LOOKS {
            let asked = browser.client.post(&browser.session).json(&wanted).send().await;
            let Ok(answer) = asked else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let answer: Value = answer.json().await.unwrap();
            let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}"));
            browser.session = format!("{}/{id}", browser.session);
            return browser;
        }
        panic!("chromedriver does not answer");
    }

    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let answer = self.client.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let value = &answer["value"];
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value.clone()),
        }
    }

    /// Sets width and height of the page, also narrower than a desktop's window may be.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    /// Shows pages as to a reader who wants them dark, or light.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Asks the browser itself, over its protocol for developers.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await.unwrap()
    }

    /// What pages have complained of since this was asked last: errors of scripts, refused loads, breaches of the content policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", json!({ "type": "browser" })).await.unwrap();
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Presses a key, as the protocol of `WebDriver` names it (§17.4.2).
    pub(crate) async fn press(&self, key: char) {
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.command("/actions", keyboard).await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("/url", json!({ "url": url })).await.unwrap();
    }

    async fn find(&self, selector: &str) -> Result<String, String> {
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await.unwrap();
        // The driver itself would press through the bar at the bottom of a phone.
        let script = format!("document.querySelector({}).scrollIntoView({{ block: 'center' }})", json!(selector));
        self.run(&script).await;
        self.command(&format!("/element/{element}/click"), json!({})).await.unwrap();
    }

    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await.unwrap();
        self.command(&format!("/element/{element}/clear"), json!({})).await.unwrap();
        self.command(&format!("/element/{element}/value"), json!({ "text": text })).await.unwrap();
    }

    /// Chooses a file in a form.
    pub(crate) async fn choose(&self, selector: &str, file: &Path) {
        let element = self.find(selector).await.unwrap();
        let text = file.display().to_string();
        self.command(&format!("/element/{element}/value"), json!({ "text": text })).await.unwrap();
    }

    /// Runs a script in the page and returns its value.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// Runs a script that tells its value later: by the function `tell`.
    pub(crate) async fn run_until_told(&self, script: &str) -> Value {
        let script = format!("const tell = arguments[arguments.length - 1]; {script}");
        self.command("/execute/async", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// Waits until the page shows a text in an element.
    pub(crate) async fn see(&self, selector: &str, text: &str) {
        let mut seen = String::new();
        for _ in 0..LOOKS {
            let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
            seen = self.run(&script).await.as_str().unwrap_or_default().to_owned();
            if seen.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("`{text}` is not in {selector}, which shows: {seen}");
    }

    /// The address of the page.
    pub(crate) async fn place(&self) -> String {
        self.run("return location.href").await.as_str().unwrap().to_owned()
    }

    /// How far the page reaches beyond its window to the right, in pixels.
    pub(crate) async fn overflow(&self) -> i64 {
        self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await
            .as_i64()
            .unwrap()
    }

    /// Keeps a picture of the window, where somebody asked for pictures: `RACKSEED_PICTURES=FOLDER`.
    pub(crate) async fn picture(&self, name: &str) {
        self.keep_picture(name, json!({ "format": "png" })).await;
    }

    /// Keeps a picture of the page as far as it reaches down.
    pub(crate) async fn whole_picture(&self, name: &str) {
        self.keep_picture(name, json!({ "format": "png", "captureBeyondViewport": true })).await;
    }

    async fn keep_picture(&self, name: &str, how: Value) {
        let Ok(folder) = std::env::var("RACKSEED_PICTURES") else { return };
        let answer = self.devtools("Page.captureScreenshot", how).await;
        let picture = BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }
}
