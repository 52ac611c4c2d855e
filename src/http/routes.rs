//! Every route on one page: the routers, the OpenAPI document and the README's list are made of these tables.

use axum::routing::{delete, get, patch, post, put};

use super::{
    BootState, MachineState, OperatorState,
    api::{
        about, access, activity, answers, audit, batches, boots, catalog, cluster, doctor, exchanges, gates, hosts,
        image_checks, images, lifecycle, network, notifications, operations, power, rebuilds, registrations, settings,
        sightings, support_bundle,
    },
    boot,
    dashboard::{
        about_page, account_page, activity_page, api_page, assets, audit_page, batch_page, batches_page, catalog_page,
        cluster_page, first_visit_page, forms, host_list_page, image_page, import_page, notifications_page,
        operations_page, options_part, pages, rebuild_page, register_page, settings_page, sheet_page, sign_in_page,
    },
    live_events, machine, metrics, openapi,
    repeats::Makes,
    row::{Audience, Body, Needs, Route, Row},
};

/// Every route of every listener: the rows of the three tables.
pub const ROUTES: &[Route] = &{
    let nothing = Route { audience: Audience::Boot, method: "", path: "", summary: "", needs: Needs::Nobody };
    let mut all = [nothing; BOOT.len() + MACHINE.len() + OPERATOR.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < BOOT.len() {
            BOOT[place].route(Audience::Boot)
        } else if place < BOOT.len() + MACHINE.len() {
            MACHINE[place - BOOT.len()].route(Audience::Machine)
        } else {
            OPERATOR[place - BOOT.len() - MACHINE.len()].route(Audience::Operator)
        };
        place += 1;
    }
    all
};

const HTML: Body = Body::Text("text/html");
/// A part of a page, which is none by itself.
const HTML_PART: Body = Body::Text("text/html;part=tiles");
const PLAIN: Body = Body::Text("text/plain");
const ISO: Body = Body::Text("application/octet-stream");
const AUDIT_QUERY: &[&str] =
    &["host", "operation", "actor", "via", "result", "since", "until", "format", "limit", "before"];
const TOKEN: &[&str] = &["t"];

/// The largest body of an ordinary request. An installer's system report has some kilobytes.
const SMALL_BODY: usize = 64 << 10;
/// The largest body of a webhook, which lists every disk and network card with all its udev properties, and of an operator.
pub(super) const LARGE_BODY: usize = 1 << 20;

/// What booting machines ask.
#[rustfmt::skip]
pub(super) const BOOT: &[Row<BootState>] = &[
    Row::get("/ipxe/{mac}", PLAIN, || get(boot::script)).asking(&["b", "platform", "version", "arch"])
        .says("iPXE script for a machine; always a valid script, also for errors"),
    Row::get("/loader/{*path}", Body::Text("application/efi"), || get(boot::loader))
        .says("iPXE for UEFI HTTP boot, and `autoexec.ipxe` beside it; also HEAD"),
    Row::get("/boot/{token}/{file}", ISO, || get(boot::file))
        .says("kernel, initrd or private ISO of an armed rebuild; also HEAD and ranges"),
    Row::get("/healthz", PLAIN, || get(alive)).says("whether the listener answers"),
];

/// What installers and nodes ask.
#[rustfmt::skip]
pub(super) const MACHINE: &[Row<MachineState>] = &[
    Row::post("/api/boot/answer", Body::Report(SMALL_BODY), (200, Body::Text("application/toml")), || post(machine::answer))
        .asking(TOKEN).says("the answer file of the asking installer (TOML)"),
    Row::post("/api/hosts/{id}/installed", Body::Report(LARGE_BODY), (200, PLAIN), || post(machine::installed))
        .asking(TOKEN).says("post-installation webhook"),
    Row::get("/api/hosts/{id}/first-boot-script", Body::Text("text/x-shellscript"), || get(machine::first_boot_script))
        .asking(TOKEN).says("the script of the first boot"),
    Row::post("/api/hosts/{id}/phone-home", Body::Report(SMALL_BODY), (200, PLAIN), || post(machine::phone_home))
        .asking(TOKEN).says("the installed system's address and hardware id"),
    Row::post("/api/hosts/{id}/failed", Body::Log(SMALL_BODY), (200, PLAIN), || post(machine::failed))
        .asking(TOKEN).says("the last lines of a log, from a machine on which something failed"),
    Row::get("/healthz", PLAIN, || get(alive)).says("whether the listener answers"),
];

/// What people and their programs ask.
#[rustfmt::skip]
pub(super) const OPERATOR: &[Row<OperatorState>] = &[
    Row::get("/api/hosts", Body::List("Host"), || get(hosts::list))
        .asking(&["q", "state", "server_type", "attention", "overdue", "sort", "limit", "after"])
        .says("list the hosts that are wanted, by name or in another order"),
    Row::post("/api/hosts", Body::Json("NewHost"), (201, Body::Json("Host")), || post(hosts::register)).once(Makes::Host).says("register a host"),
    Row::get("/api/hosts/check", Body::Json("HostCheck"), || get(registrations::check)).asking(&["hostname", "mac", "server_type"])
        .says("what would be wrong with a registration, while it is being typed"),
    Row::post("/api/hosts/import", Body::Text("text/csv"), (200, Body::Json("HostImport")), || post(registrations::import))
        .asking(&["dry_run", "skip_wrong", "server_type"]).says("register the hosts of a list (CSV): all of them or none; or only look at it"),
    Row::get("/api/hosts/{id}", Body::Json("Host"), || get(hosts::show)).says("one host with its history and operation"),
    Row { takes: Body::Json("HostChange"), gives: (200, Body::Json("Host")), ..Row::new("PATCH", "/api/hosts/{id}", || patch(hosts::change)) }
        .says("change what was chosen for a host (merge patch)"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/hosts/{id}", || delete(hosts::remove)) }
        .says("remove a host that is not being rebuilt"),
    Row::post("/api/hosts/{id}/rebuild", Body::Json("RebuildRequest"), (202, Body::Json("Operation")), || post(rebuilds::rebuild))
        .once(Makes::Operation).says("reinstall a host; wipes its disk"),
    Row::post("/api/hosts/{id}/confirm-host-key", Body::Json("HostKeyConfirmation"), (200, Body::Json("Host")), || post(hosts::confirm_host_key))
        .says("confirm the SSH fingerprint that the console shows"),
    Row::get("/api/hosts/{id}/answer-preview", Body::Json("AnswerPreview"), || get(answers::show_preview))
        .says("the answer that the host would be given, without secrets"),
    Row::get("/api/hosts/{id}/power", Body::Json("Power"), || get(power::show)).says("whether the machine is on"),
    Row::post("/api/hosts/{id}/power", Body::Json("PowerAction"), (200, Body::Json("PowerDone")), || post(power::act))
        .says("switch the machine on or off, cycle it, or boot it from the network"),
    Row { takes: Body::Json("PowerSecret"), gives: (204, Body::Nothing), ..Row::new("PUT", "/api/hosts/{id}/power-secret", || put(power::set_secret)) }
        .says("store or erase the password of the host's BMC, or its webhook's token"),
    Row::get("/api/hosts/{id}/answer-check", Body::Json("AnswerCheck"), || get(answers::check))
        .says("everything that is wrong with the answer that the host would be given, and where to change it"),
    Row::get("/api/hosts/{id}/answer-diff", Body::Json("AnswerDifference"), || get(answers::difference))
        .says("what has changed since the host was given an answer last, without secrets"),
    Row::get("/api/hosts/{id}/lifecycle", Body::Json("Lifecycle"), || get(lifecycle::show))
        .says("the host's way through its latest rebuild: how long it was in each state, what is usual, and what it has not reached"),
    Row::get("/api/hosts/{id}/evidence", Body::List("Evidence"), || get(lifecycle::show_evidence))
        .says("what is proved about the host by its latest rebuild: membership, quorum, the removal of the key"),
    Row::get("/api/hosts/{id}/exchanges", Body::List("Exchange"), || get(exchanges::list)).asking(&["before", "limit"])
        .says("what the host's machine sent and what it was answered, without secrets, the newest first"),
    Row::get("/api/hosts/{id}/boot", Body::Json("Boot"), || get(boots::of_host))
        .says("what was seen of the host's boots, where the latest one stands, and what is likely wrong"),
    Row::get("/api/boots/{mac}", Body::Json("Boot"), || get(boots::of_machine)).says("the same for any machine, registered or not"),
    Row::get("/api/sightings", Body::List("Sighting"), || get(sightings::list)).asking(&["limit", "after"])
        .says("machines that asked for a boot and are not registered"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/sightings/{mac}", || delete(sightings::forget)) }
        .says("forget such a machine until it asks again"),
    Row::get("/api/operations", Body::List("Operation"), || get(operations::list))
        .asking(&["status", "host", "plan", "limit", "before"]).says("list the operations, newest first"),
    Row::get("/api/operations/{id}", Body::Json("Operation"), || get(operations::show)).says("one operation with its steps"),
    Row::post("/api/operations/{id}/retry", Body::Nothing, (200, Body::Json("Operation")), || post(operations::retry))
        .says("try the failed step of a parked operation again"),
    Row::post("/api/operations/{id}/skip", Body::Nothing, (200, Body::Json("Operation")), || post(operations::skip))
        .says("leave out the step at which an operation stands, where that is safe"),
    Row::post("/api/operations/{id}/cancel", Body::Nothing, (200, Body::Json("Operation")), || post(operations::cancel))
        .says("end an operation"),
    Row::get("/api/hosts/{id}/rebuild-plan", Body::Json("RebuildPlan"), || get(rebuilds::plan)).asking(&["image", "member_address"])
        .says("the pre-flight of a rebuild: what it would wipe and install, what the cluster would look like, and what speaks against it"),
    Row::get("/api/batches", Body::List("Batch"), || get(batches::list)).asking(&["limit", "before"])
        .says("list the batches of rebuilds, newest first"),
    Row::post("/api/batches", Body::Json("NewBatch"), (201, Body::Json("Batch")), || post(batches::open))
        .once(Makes::Batch).says("rebuild several hosts; wipes their disks"),
    Row::get("/api/batches/{id}", Body::Json("Batch"), || get(batches::show)).says("one batch with its hosts"),
    Row::post("/api/batches/{id}/resume", Body::Nothing, (200, Body::Json("Batch")), || post(batches::resume))
        .says("go on with a paused batch"),
    Row::post("/api/batches/{id}/skip", Body::Json("BatchSkip"), (200, Body::Json("Batch")), || post(batches::skip))
        .says("leave a host out of a batch"),
    Row::post("/api/batches/{id}/cancel", Body::Nothing, (200, Body::Json("Batch")), || post(batches::cancel))
        .says("start nothing more of a batch"),
    Row::get("/api/images", Body::Json("Images"), || get(images::list)).says("list the installer images, and those on their way"),
    Row::post("/api/images", Body::Stream, (202, Body::Json("ImageAddition")), || post(images::add)).asking(&["name", "sha256"])
        .says("add an image: from the URL in a NewImage as JSON, else the body is the ISO"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/images/{id}", || delete(images::remove)) }
        .says("remove an image that nobody uses"),
    Row::post("/api/images/{id}/default", Body::Nothing, (200, Body::Json("Image")), || post(images::make_default))
        .says("install this image where nothing else was chosen"),
    Row::get("/api/images/{id}/check", Body::Json("ImageCheck"), || get(image_checks::show)).says("the newest check of an image"),
    Row::post("/api/images/{id}/check", Body::Nothing, (202, Body::Json("ImageCheck")), || post(image_checks::begin))
        .says("begin to compare every file of an image with its checksum"),
    Row::get("/api/images/additions/{id}", Body::Json("ImageAddition"), || get(images::addition)).says("an image on its way"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/images/additions/{id}", || delete(images::cancel)) }
        .says("give an addition up, or forget one that has ended"),
    Row::post("/api/images/uploads", Body::Json("NewUpload"), (201, Body::Json("ImageAddition")), || post(images::begin_upload))
        .says("begin an upload in parts"),
    Row::get("/api/images/uploads/{id}", Body::Json("ImageAddition"), || get(images::upload_offset))
        .says("where an upload goes on: the header `Upload-Offset`; also HEAD"),
    Row { takes: Body::Stream, gives: (200, Body::Json("ImageAddition")), ..Row::new("PATCH", "/api/images/uploads/{id}", || patch(images::upload)) }
        .says("the next part of an upload, from the byte in `Upload-Offset`"),
    Row::get("/api/cluster", Body::Json("Cluster"), || get(cluster::show)).asking(&["ask"])
        .says("the cluster as a member told it last; with `ask=true` one is asked now"),
    Row::get("/api/cluster/gates", Body::List("Gate"), || get(gates::list)).asking(&["limit", "after"])
        .says("the members that have the join gate"),
    Row::post("/api/cluster/gates", Body::Json("NewGate"), (201, Body::Json("Gate")), || post(gates::install))
        .says("install the join gate on a member, or bring it up to date, over a login that is given for this once"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/cluster/gates/{address}", || delete(gates::remove)) }
        .asking(&["forget"]).says("take the join gate off a member; with `forget=true` only off this list"),
    Row::get("/api/catalog", Body::Json("Catalog"), || get(catalog::catalog))
        .says("what the catalog's folders hold, what is wrong with them, and whom the last edit affects"),
    Row::get("/api/settings", Body::Json("Settings"), || get(settings::show)).says("every setting with its source, without secrets"),
    Row::get("/api/about", Body::Json("About"), || get(about::show))
        .says("the program, its data, its listeners, and whether it is well"),
    Row::get("/api/doctor", Body::Json("Checkup"), || get(doctor::show)).says("the last round of the doctor's checks"),
    Row::post("/api/doctor", Body::Nothing, (202, Body::Json("Checkup")), || post(doctor::begin))
        .says("begin a round of checks: what would keep machines from booting"),
    Row { needs: Needs::Operator, ..Row::get("/api/support-bundle", Body::Text("application/x-tar"), || get(support_bundle::serve)) }
        .says("everything that helps to see what is wrong, without secrets, as a tar archive"),
    Row::get("/api/network", Body::Json("Network"), || get(network::show)).says("the interfaces on which booting machines are answered"),
    Row::get("/api/notifications", Body::Json("Notifications"), || get(notifications::show)).says("whom we tell, and what became of it"),
    Row::post("/api/notifications/test", Body::Json("NotificationTest"), (200, Body::Json("NotificationTested")), || post(notifications::test))
        .says("send a test message to a target"),
    Row::get("/api/account", Body::Json("Account"), || get(access::account)).says("who asks, and what they may do"),
    Row { takes: Body::Json("NewPassword"), gives: (204, Body::Nothing), ..Row::new("PUT", "/api/account/password", || put(access::change_password)) }
        .says("change one's password; one's other sessions end"),
    Row::get("/api/sessions", Body::List("Session"), || get(access::sessions)).says("list the signed-in browsers"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/sessions/{id}", || delete(access::end_session)) }.says("end a session"),
    Row::post("/api/sign-out-everywhere", Body::Nothing, (200, Body::Json("SignedOut")), || post(access::sign_out_everywhere))
        .says("end all sessions of one's user; of everybody, where a token asks"),
    Row::get("/api/tokens", Body::List("Token"), || get(access::tokens)).says("list the tokens of programs, without their texts"),
    Row::post("/api/tokens", Body::Json("NewToken"), (201, Body::Json("Token")), || post(access::make_token))
        .says("make a token for a program; its text is shown this once"),
    Row { gives: (204, Body::Nothing), ..Row::new("DELETE", "/api/tokens/{id}", || delete(access::revoke_token)) }
        .says("revoke a token; it lets nobody in any more"),
    Row::get("/api/audit", Body::List("AuditEntry"), || get(audit::list)).asking(AUDIT_QUERY)
        .says("who did what, the newest first; also as CSV"),
    Row::get("/api/activity", Body::List("Activity"), || get(activity::list))
        .asking(&["topic", "host", "operation", "attention", "limit", "before"]).says("what happened, the newest first: the live feed of the past"),
    Row::get("/api", HTML, || get(api_page::show)).says("this interface as a page"),
    Row::get("/api/openapi.json", Body::Text("application/json"), || get(openapi::serve)).says("this interface as an OpenAPI document"),
    Row::get("/events", Body::Text("text/event-stream"), || get(live_events::events)).asking(&["after"])
        .says("the live feed (server-sent events), resumable by Last-Event-ID"),
    Row::get("/metrics", Body::Text("application/openmetrics-text"), || get(metrics::serve)).says("figures in the OpenMetrics format"),
    Row::get("/healthz", PLAIN, || get(metrics::health)).open().says("whether the daemon can read and write its database"),
    Row::get("/first-visit", HTML, || get(first_visit_page::show)).open().says("the page on which the first visitor claims this daemon"),
    Row::form("/first-visit", &["code", "name", "password", "again"], || post(first_visit_page::claim)).open()
        .says("the form that makes the administrator"),
    Row::get("/sign-in", HTML, || get(sign_in_page::show)).asking(&["next"]).open().says("the page on which people sign in"),
    Row::form("/sign-in", &["name", "password", "next"], || post(sign_in_page::sign_in)).open().says("the form that signs in"),
    Row { needs: Needs::ReadOnly, ..Row::form("/sign-out", &[], || post(sign_in_page::sign_out)) }.says("the form that signs out"),
    Row::get("/account", HTML, || get(account_page::show)).says("who one is, the signed-in browsers and the tokens of programs, as a page"),
    Row { gives: (200, HTML), ..Row::form("/account/password", &["old_password", "password", "again"], || post(account_page::change_password)) }
        .says("the form that changes one's password"),
    Row::form("/account/sessions/{id}/end", &[], || post(account_page::end_session)).says("the form that ends a session"),
    Row::form("/account/sign-out-everywhere", &[], || post(account_page::sign_out_everywhere)).says("the form that ends all sessions"),
    Row { gives: (200, HTML), ..Row::form("/account/tokens", &["name", "scope"], || post(account_page::make_token)) }
        .says("the form that makes a token and shows it this once"),
    Row::form("/account/tokens/{id}/revoke", &[], || post(account_page::revoke_token)).says("the form that revokes a token"),
    Row::get("/", HTML, || get(host_list_page::hosts)).asking(&["q", "state", "server_type", "attention", "overdue", "sort", "group", "view", "choose"])
        .says("the hosts as a page"),
    Row::get("/hosts/tiles", HTML_PART, || get(host_list_page::tiles))
        .asking(&["id", "q", "state", "server_type", "attention", "overdue", "sort", "group", "view", "choose"])
        .says("the tiles of some hosts, and the rest of that page that is short"),
    Row::get("/hosts/new", HTML, || get(register_page::show)).asking(&["hostname", "mac", "server_type"]).says("the registration form as a page"),
    Row::get("/hosts/import", HTML, || get(import_page::show)).says("the form for a list of hosts as a page"),
    Row { gives: (200, HTML), ..Row::form("/hosts/import", &["list", "server_type", "action"], || post(import_page::take)) }
        .says("the form for a list of hosts: checks it, then registers it"),
    Row::form("/hosts", &["hostname", "mac", "server_type"], || post(register_page::register)).says("the registration form"),
    Row::form("/sightings/{mac}/forget", &[], || post(forms::forget_sighting)).says("the form that forgets a machine that was seen"),
    Row::get("/hosts/{id}", HTML, || get(pages::host)).asking(&["show"]).says("one host as a page; all that is kept of it with `show=all`"),
    Row::get("/hosts/{id}/sheet", HTML, || get(sheet_page::show)).says("the hand-over sheet of a host: one page for a printer, without secrets"),
    Row::form("/hosts/{id}/options", &["image"], || post(options_part::change)).says("the form that chooses a host's image"),
    Row::get("/hosts/{id}/rebuild", HTML, || get(rebuild_page::show)).asking(&["image", "member_address"])
        .says("the pre-flight of a rebuild as a page, with the form that starts it"),
    Row::form("/hosts/{id}/rebuild", &["confirm", "image", "member_address", "accept_warnings", "reason"], || post(rebuild_page::start))
        .says("the rebuild form; a field `override-ID` for each blocker to go on in spite of"),
    Row::form("/hosts/{id}/power", &["action", "confirm"], || post(forms::power)).says("the power form"),
    Row::form("/hosts/{id}/remove", &["confirm"], || post(forms::remove)).says("the removal form"),
    Row::form("/hosts/{id}/confirm-host-key", &["fingerprint"], || post(forms::confirm_host_key))
        .says("the form that confirms a fingerprint"),
    Row::get("/images", HTML, || get(image_page::images)).says("the images as a page"),
    Row::form("/images", &["url", "sha256"], || post(image_page::add)).says("the form that fetches an image"),
    Row::form("/images/{id}/default", &[], || post(image_page::make_default)).says("the form that makes an image the default"),
    Row::form("/images/{id}/check", &[], || post(image_page::check)).says("the form that checks an image"),
    Row::form("/images/{id}/remove", &[], || post(image_page::remove)).says("the form that removes an image"),
    Row::form("/images/additions/{id}/cancel", &[], || post(image_page::cancel)).says("the form that gives an addition up"),
    Row::get("/catalog", HTML, || get(catalog_page::catalog)).says("server types, answer templates and scripts as a page"),
    Row::get("/settings", HTML, || get(settings_page::settings)).says("the settings as a page"),
    Row::get("/about", HTML, || get(about_page::about)).says("what the appliance says of itself, as a page"),
    Row::form("/about/doctor", &[], || post(about_page::begin_checkup)).says("the form that begins a round of checks"),
    Row::get("/notifications", HTML, || get(notifications_page::notifications)).says("whom we tell, as a page"),
    Row { gives: (200, HTML), ..Row::form("/notifications/test", &["target"], || post(notifications_page::test)) }
        .says("the form that sends a test message"),
    Row::get("/audit", HTML, || get(audit_page::audit)).asking(AUDIT_QUERY).says("who did what, as a page"),
    Row::get("/activity", HTML, || get(activity_page::activity)).asking(&["topic", "host", "operation", "attention", "limit", "before"])
        .says("what happened, as a page"),
    Row::get("/cluster", HTML, || get(cluster_page::cluster)).asking(&["ask"]).says("the cluster as a page"),
    Row::form("/cluster/gates/{address}/remove", &["forget"], || post(cluster_page::remove_gate)).says("the form that removes a join gate"),
    Row::get("/operations", HTML, || get(operations_page::operations)).asking(&["status", "host", "plan", "limit", "before"])
        .says("the operations as a page"),
    Row::get("/operations/{id}", HTML, || get(pages::operation)).says("one operation as a page"),
    Row::form("/operations/{id}/retry", &["back"], || post(forms::retry)).says("the retry form"),
    Row::form("/operations/{id}/skip", &["back"], || post(forms::skip)).says("the skip form"),
    Row::form("/operations/{id}/cancel", &["back"], || post(forms::cancel)).says("the cancel form"),
    Row::form("/batches", &["host", "way", "at_most", "accept_warnings", "confirm"], || post(batch_page::open))
        .says("the form that rebuilds several hosts"),
    Row::get("/batches", HTML, || get(batches_page::batches)).asking(&["limit", "before"]).says("the batches as a page"),
    Row::get("/batches/{id}", HTML, || get(batch_page::show)).says("one batch as a page"),
    Row::form("/batches/{id}/resume", &[], || post(batch_page::resume)).says("the form that resumes a batch"),
    Row::form("/batches/{id}/skip", &["host"], || post(batch_page::skip)).says("the form that leaves a host out of a batch"),
    Row::form("/batches/{id}/cancel", &[], || post(batch_page::cancel)).says("the form that cancels a batch"),
    Row::get("/assets/{file}", Body::Text("text/css"), || get(assets::serve)).open().says("style and script of the pages"),
];

async fn alive() -> &'static str {
    "ok\n"
}
