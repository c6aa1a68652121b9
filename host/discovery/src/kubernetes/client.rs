//! The HTTPS client, from what a pod is given.
//!
//! kube's own set of layers is left out: it retries by itself, for as long as it likes, and logs every failure as an error.
//! Here every caller knows better what a failure means to it.

use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use spindrift_failures::WithCauses;
use tokio::time::timeout;
use tower::{BoxError, ServiceBuilder, service_fn};

use super::in_cluster::InCluster;
use super::source::ConnectError;

/// How long the API server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to begin an answer, that of a watch too, which then goes on. No longer than any other call may take: what
/// was asked just before the API server went away is not waited for once it is back.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// After how much silence a connection is probed, and how often; three probes without an answer end it. A watch may be silent
/// for long, and a machine that is cut off says nothing.
const PROBE_AFTER: Duration = Duration::from_secs(20);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// A client for the API server. Connects when it is used.
pub(crate) fn client(place: &InCluster, namespace: &str) -> Result<Client, ConnectError> {
    let url = place.api_server.parse().map_err(|_| ConnectError::Unfit {
        reason: format!("{} is no URL of an API server", place.api_server),
    })?;
    let mut config = Config::new(url);
    let file = |name: &str| place.service_account.join(name);
    config.default_namespace = namespace.to_owned();
    config.root_cert_file = Some(file("ca.crt"));
    // The file alone says whom to trust. Without this the machine's certificates would be loaded first, for nothing, and an image
    // that has none would be refused.
    config.root_cert = Some(Vec::new());
    config.auth_info.token_file = Some(file("token").display().to_string());
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    connector.set_keepalive(Some(PROBE_AFTER));
    connector.set_keepalive_interval(Some(PROBE_EVERY));
    connector.set_keepalive_retries(Some(PROBES));
    let unfit = |error: kube::Error| ConnectError::Unfit {
        reason: format!(
            "the service account in {}: {}",
            place.service_account.display(),
            WithCauses(&error)
        ),
    };
    let https = config
        .rustls_https_connector_with_connector(connector)
        .map_err(unfit)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(https);
    let begun = service_fn(move |request| {
        let answer = http.request(request);
        async move { Ok::<_, BoxError>(timeout(ANSWER_LIMIT, answer).await??) }
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(unfit)?)
        .map_err(BoxError::from)
        .service(begun);
    Ok(Client::new(service, namespace))
}
