//! The first boot of a simulated node: the true first-boot script runs in its shell; only `curl` is ours, and asks over the real network.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::{Certificate, header::CONTENT_TYPE};
use tokio::{io::AsyncReadExt, time::timeout};

use super::{SimulatedNode, installer::MachineStopped, machine::stopped, web};

/// How long the script may call before the simulated systemd gives up.
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);
/// How often we look whether the script's `curl` wants something.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// curl's status for a failed connection, and for an error status of the server (curl(1), "EXIT CODES").
const CANNOT_CONNECT: i32 = 7;
const HTTP_ERROR: i32 = 22;

/// Runs the script to its end.
pub(super) async fn run_first_boot(node: &SimulatedNode) -> Result<(), MachineStopped> {
    let mut script = node.start_first_boot().map_err(stopped("starting the first-boot script"))?;
    let run = async {
        tokio::select! {
            ended = script.wait() => ended,
            never = serve_curl(node) => match never {},
        }
    };
    let ended =
        timeout(SCRIPT_LIMIT, run).await.map_err(|_| MachineStopped("the first-boot script was not heard".into()))?;
    if ended.map_err(stopped("the first-boot script"))?.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut error) = script.stderr.take() {
        let _ = error.read_to_string(&mut said).await;
    }
    Err(MachineStopped(format!("the first-boot script failed: {}", said.trim())))
}

/// Does what the node's `curl` was asked for, again and again.
async fn serve_curl(node: &SimulatedNode) -> std::convert::Infallible {
    let (arguments, status) = (node.path("run/curl.arguments"), node.path("run/curl.status"));
    loop {
        if let Ok(text) = fs::read_to_string(&arguments) {
            let _ = fs::remove_file(&arguments);
            let code = match perform(&text, node).await {
                Ok(()) => 0,
                Err(code) => code,
            };
            let written = status.with_extension("new");
            let _ = fs::write(&written, code.to_string()).and_then(|()| fs::rename(&written, &status));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Sends one request, trusting only the certificate of `--cacert` for the name in the URL, at the address of `--connect-to`.
async fn perform(arguments: &str, node: &SimulatedNode) -> Result<(), i32> {
    let lines: Vec<&str> = arguments.lines().collect();
    let value =
        |flag: &str| lines.iter().position(|line| *line == flag).and_then(|place| lines.get(place + 1)).copied();
    let url = lines.last().copied().unwrap_or_default();
    let pem = value("--cacert").and_then(|path| fs::read(path).ok()).ok_or(CANNOT_CONNECT)?;
    let certificate = Certificate::from_pem(&pem).map_err(|_| CANNOT_CONNECT)?;
    let mut builder =
        web::builder(Some(IpAddr::V4(node.address))).tls_certs_only([certificate]).timeout(Duration::from_secs(20));
    if let Some([name, _, host, port]) =
        value("--connect-to").map(|text| text.split(':').collect::<Vec<_>>()).as_deref()
    {
        let address = host.parse().ok().zip(port.parse().ok()).ok_or(CANNOT_CONNECT)?;
        builder = builder.resolve(name, SocketAddr::new(IpAddr::V4(address.0), address.1));
    }
    let client = builder.build().map_err(|_| CANNOT_CONNECT)?;
    let body = value("--data").unwrap_or_default().to_owned();
    let sent = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await;
    match sent {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(_) => Err(HTTP_ERROR),
        Err(error) => {
            tracing::debug!(%error, "a simulated curl cannot connect");
            Err(CANNOT_CONNECT)
        }
    }
}
