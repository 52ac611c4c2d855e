//! What the inventory service is told, and what we say when it cannot be told.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::put,
};
use rackseed::{
    infrastructure::InfrastructureService,
    ports::{HostRecord, Infrastructure},
};
use serde_json::json;

#[tokio::test]
async fn a_host_is_put_under_its_mac_with_its_record_and_the_token() {
    let service = Inventory::start(StatusCode::CREATED, "").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "s3cret\n").unwrap();
    // The trailing slash of the setting makes no second one.
    let client = InfrastructureService::new(&format!("{}/v1/", service.url), Some(file.clone())).unwrap();
    assert!(client.is_on());
    client.register(&record()).await.unwrap();
    fs::write(&file, "changed").unwrap();
    client.register(&record()).await.unwrap();
    let calls = service.calls.lock().unwrap();
    assert_eq!(calls[0].mac, "52:54:00:ab:cd:0f");
    assert_eq!(calls[0].content_type.as_deref(), Some("application/json"));
    assert_eq!(
        calls[0].body,
        json!({"hostname": "pve-01", "mac": "52:54:00:ab:cd:0f", "ip": "10.0.0.5", "hardware_id": "4c4c4544", "server_type": "R640"})
    );
    let tokens: Vec<_> = calls.iter().map(|call| call.authorization.as_deref()).collect();
    assert_eq!(tokens, [Some("Bearer s3cret"), Some("Bearer changed")]);
}

#[tokio::test]
async fn without_a_token_file_there_is_no_authorization() {
    let service = Inventory::start(StatusCode::OK, "").await;
    service.client().register(&record()).await.unwrap();
    assert_eq!(service.calls.lock().unwrap()[0].authorization, None);
}

#[tokio::test]
async fn without_a_base_url_it_is_off() {
    let off = InfrastructureService::new("", None).unwrap();
    assert!(!off.is_on());
    off.register(&record()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_with_its_status_and_the_beginning_of_its_body() {
    let body = format!("no such rack\n{}", "x".repeat(100_000));
    let service = Inventory::start(StatusCode::UNPROCESSABLE_ENTITY, &body).await;
    let told = service.client().register(&record()).await.unwrap_err().to_string();
    let expected = format!(
        "the Infrastructure service answered 422 Unprocessable Entity to PUT {}/v1/hosts/52:54:00:ab:cd:0f: no such rack {}",
        service.url,
        "x".repeat(200 - "no such rack ".len())
    );
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let service = Inventory::start(StatusCode::TEMPORARY_REDIRECT, "").await;
    let told = service.client().register(&record()).await.unwrap_err().to_string();
    assert!(told.contains("answered 307"), "{told}");
    assert_eq!(service.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_with_the_cause() {
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let client = InfrastructureService::new(&format!("http://{free}"), None).unwrap();
    let told = client.register(&record()).await.unwrap_err().to_string();
    assert!(told.contains("cannot be reached at http://127.0.0.1:") && told.contains("refused"), "{told}");
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up_after_ten_seconds() {
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = InfrastructureService::new(&format!("http://{}", silent.local_addr().unwrap()), None).unwrap();
    let began = Instant::now();
    let told = client.register(&record()).await.unwrap_err().to_string();
    assert!(told.contains("timed out"), "{told}");
    assert!((9..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_https_service_with_a_certificate_that_the_system_does_not_know_is_not_told() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    // The client brings the provider that the server then uses.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let client = InfrastructureService::new(&url, None).unwrap();
    let configuration =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], private).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(configuration));
    let server = tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap().0).await.is_ok() });
    let told = client.register(&record()).await.unwrap_err().to_string();
    assert!(told.contains("certificate"), "{told}");
    assert!(!tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap());
}

#[tokio::test]
async fn what_cannot_be_called_is_said_before_anything_is_sent() {
    for base_url in ["inventory.lan", "ftp://inventory.lan"] {
        let told = InfrastructureService::new(base_url, None).unwrap_err().to_string();
        assert!(told.contains("not an http or https URL"), "{told}");
    }
    let service = Inventory::start(StatusCode::OK, "").await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("two"), "one\ntwo\n").unwrap();
    for (name, reason) in [("missing", "cannot read"), ("two", "does not hold one token")] {
        let client = InfrastructureService::new(&service.url, Some(folder.path().join(name))).unwrap();
        let told = client.register(&record()).await.unwrap_err().to_string();
        assert!(told.contains(reason) && !told.contains("one\n"), "{told}");
    }
    assert!(service.calls.lock().unwrap().is_empty());
}

fn record() -> HostRecord {
    HostRecord {
        hostname: "pve-01".parse().unwrap(),
        mac: "52:54:00:AB:CD:0F".parse().unwrap(),
        ip: Ipv4Addr::new(10, 0, 0, 5),
        hardware_id: "4c4c4544".to_owned(),
        server_type: "R640".to_owned(),
    }
}

/// What the service was sent.
struct Call {
    mac: String,
    content_type: Option<String>,
    authorization: Option<String>,
    body: serde_json::Value,
}

/// A service that gives everybody the same answer.
struct Inventory {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Inventory {
    async fn start(status: StatusCode, body: &str) -> Self {
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (heard, body) = (Arc::clone(&calls), body.to_owned());
        let handler = move |Path(mac): Path<String>, headers: HeaderMap, sent: Bytes| {
            let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let (content_type, authorization) = (text(header::CONTENT_TYPE), text(header::AUTHORIZATION));
            let body_sent = serde_json::from_slice(&sent).unwrap();
            heard.lock().unwrap().push(Call { mac, content_type, authorization, body: body_sent });
            let answer = (status, [(header::LOCATION, "/v1/hosts/elsewhere")], body.clone()).into_response();
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/hosts/{mac}", put(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}"), calls }
    }

    fn client(&self) -> InfrastructureService {
        InfrastructureService::new(&format!("{}/v1", self.url), None).unwrap()
    }
}
