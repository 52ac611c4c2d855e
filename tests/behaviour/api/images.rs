//! Images over HTTP and on their page: from a URL, in one piece, in parts, and what is refused.

use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    house::{Answer, House, write_iso},
};

/// Waits until an addition has ended.
async fn end(house: &House, addition: &Value) -> Value {
    for _ in 0..200 {
        let path = format!("/api/images/additions/{}", addition["id"].as_str().unwrap());
        let now = house.get(&path).await.json();
        if ["done", "failed"].contains(&now["stage"].as_str().unwrap()) {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn an_image_is_sent_in_one_piece_and_again_in_parts() {
    let house = House::empty().await;
    let content = std::fs::read(write_iso(house.folder.path())).unwrap();
    let post = house.client.post(house.operator("/api/images?name=pve.iso"));
    let answer = Answer::of(post.header("content-type", "application/octet-stream").body(content.clone())).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let done = end(&house, &answer.json()).await;
    assert_eq!(done["stage"], "done", "{done}");
    let begun = house.post("/api/images/uploads", &json!({ "name": "pve.iso", "length": content.len() })).await;
    assert_eq!((begun.status.as_u16(), begun.header("upload-offset")), (201, "0"));
    let place = house.operator(begun.header("location"));
    let part = |offset: usize, bytes: &[u8]| {
        let patch = house.client.patch(&place).header("upload-offset", offset.to_string());
        Answer::of(patch.header("content-type", "application/octet-stream").body(bytes.to_vec()))
    };
    let first = part(0, &content[..1000]).await;
    assert_eq!((first.status.as_u16(), first.header("upload-offset")), (200, "1000"));
    let wrong = part(7, &content[7..]).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("upload-offset")), (409, "1000"));
    let head = Answer::of(house.client.head(&place)).await;
    assert_eq!((head.status.as_u16(), head.header("upload-offset")), (200, "1000"));
    let last = part(1000, &content[1000..]).await;
    assert_eq!(last.header("upload-offset"), content.len().to_string());
    let again = end(&house, &begun.json()).await;
    assert_eq!(again["image"], done["image"], "the same file is the same image");
    assert_eq!(house.get("/api/images").await.json()["images"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_an_addition_is_said_and_other_sites_may_not_send_files() {
    let house = House::empty().await;
    let refused = house.post("/api/images", &json!({ "url": "ftp://mirror/pve.iso" })).await.problem(422);
    assert!(refused.contains("not an http or https URL"), "{refused}");
    let post = |kind: &str| {
        let post = house.client.post(house.operator("/api/images?name=pve.iso"));
        Answer::of(post.header("content-type", kind.to_owned()).body("no ISO".to_owned()))
    };
    post("text/plain").await.problem(415);
    let failed = end(&house, &post("application/octet-stream").await.json()).await;
    assert!(failed["problem"].as_str().unwrap().contains("not an ISO 9660 file"), "{failed}");
    house.delete("/api/images/additions/aaaaaaaaaaaa").await.problem(404);
    house.delete("/api/images/pve-1").await.problem(404);
}

#[tokio::test]
async fn an_image_in_use_is_not_removed_and_its_users_are_named() {
    let house = House::furnished().await;
    let image = house.get("/api/images").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let place = format!("/api/images/{image}");
    let made = house.post(&format!("{place}/default"), &Value::Null).await;
    assert_eq!((made.status.as_u16(), &made.json()["is_default"]), (200, &json!(true)));
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    house.rebuild(&host, "pve-01").await;
    let refused = house.delete(&place).await;
    assert_eq!(refused.json()["users"][0], "the rebuild of pve-01 that has not ended");
    refused.problem(409);
    let plan = house.get(&format!("/api/hosts/{host}/rebuild-plan?image={image}")).await.json();
    assert_eq!((&plan["image_because"], &plan["image"]["id"]), (&json!("asked"), &json!(image)));
}

#[tokio::test]
async fn a_person_uploads_an_image_in_the_browser_and_makes_it_the_default() {
    let house = House::empty().await;
    let iso = write_iso(house.folder.path());
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/images")).await;
    browser.see("main", "There is no image yet").await;
    browser.picture("images-1-empty").await;
    browser.choose("#file", &iso).await;
    browser.click("#upload").await;
    browser.see("#images", "Proxmox VE 9.2-1").await;
    browser.see("#images", "Used by").await;
    // In one go: the page may take over a fresh part between finding a button and pressing it.
    browser.run("document.querySelector('[id^=default-]').click()").await;
    browser.see(".image", "while it is the default").await;
    browser.fill("#url", "http://127.0.0.1:9/pve.iso").await;
    browser.click("#fetch").await;
    browser.see("#images", "On their way").await;
    browser.picture("images-2-light").await;
    browser.scheme("dark").await;
    browser.picture("images-3-dark").await;
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("images-4-phone").await;
    browser.run("document.querySelector('[id^=cancel-]').click()").await;
    for _ in 0..100 {
        if !house.get("/images").await.text.contains("On their way") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the addition was not given up");
}

#[tokio::test]
async fn an_image_is_checked_in_the_background_and_damage_is_named() {
    let house = House::furnished().await;
    let id = house.get("/api/images").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let place = format!("/api/images/{id}/check");
    assert!(house.get(&place).await.problem(404).contains("was not checked"));
    assert!(house.post("/api/images/pve-1.0-1/check", &Value::Null).await.problem(404).contains("no image"));
    let checked = async || {
        let begun = house.post(&place, &Value::Null).await;
        assert_eq!(begun.status, 202, "{}", begun.text);
        loop {
            let check = house.get(&place).await.json();
            if !check["ended_at"].is_null() {
                return check;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    assert_eq!(checked().await["whole"], true);
    let file = house.folder.path().join("data/images").join(&id).join("linux26");
    let mut kernel = std::fs::read(&file).unwrap();
    kernel[0] ^= 1;
    std::fs::write(&file, kernel).unwrap();
    let damaged = checked().await;
    assert_eq!(damaged["whole"], false);
    assert!(damaged["problems"][0].as_str().unwrap().starts_with("linux26: it has the SHA-256 checksum"), "{damaged}");
    let page = house.get("/images").await.text;
    assert!(page.contains("<span class=\"pill bad\">damaged</span>") && page.contains("add it again"), "{page}");
}

#[tokio::test]
async fn the_page_names_who_keeps_an_image_from_being_removed_and_leads_there() {
    let house = House::furnished().await;
    let id = house.get("/api/images").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let chosen = house.patch(&format!("/api/hosts/{host}"), &json!({ "options": { "image": id } })).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);
    let page = house.get("/images").await.text;
    assert!(page.contains(&format!("<a href=\"/hosts/{host}\">the options of pve-01</a>")), "{page}");
    let kept = page.split_once(&format!("id=\"kept-{id}\">")).unwrap().1.split_once("</p>").unwrap().0;
    assert_eq!(kept, "It cannot be removed while somebody uses it: the options of pve-01.");
    assert!(!page.contains(&format!("id=\"remove-{id}\"")));
    let sum = house.get("/api/images").await.json()["images"][0]["source_sha256"].as_str().unwrap().to_owned();
    assert!(page.contains(&sum), "the checksum is there to be compared");
}

#[tokio::test]
async fn a_dropped_file_is_uploaded_and_an_interrupted_upload_is_told_after_a_reload() {
    let house = House::empty().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.sign_in(&house).await;
    let begun = house.post("/api/images/uploads", &json!({ "name": "pve.iso", "length": 8 << 20 })).await;
    let place = house.operator(begun.header("location"));
    let part =
        house.client.patch(&place).header("upload-offset", "0").header("content-type", "application/octet-stream");
    assert_eq!(Answer::of(part.body(vec![0; 3 << 20])).await.status, 200);
    browser.open(&house.operator("/images")).await;
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    browser.run(&format!("localStorage.setItem('upload pve.iso {} 1', '{id}'); location.reload()", 8 << 20)).await;
    browser.see("#upload-state", "pve.iso was interrupted at 3 of 8 MiB; choose the same file to go on").await;
    browser.see("#images", "pve.iso is being uploaded, 3 of 8 MiB").await;
    browser.picture("images-interrupted-1280").await;
    browser.run("const files = new DataTransfer(); files.items.add(new File(['no iso'], 'dropped.iso')); document.getElementById('upload-form').closest('.card').dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }))").await;
    browser.see("#upload-state", "dropped.iso has arrived").await;
    browser.see("#images", "dropped.iso is not added").await;
    browser.see("#images", "choose the file again").await;
}
