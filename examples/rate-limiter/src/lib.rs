//! A limit for each client, and one for all of them together. `POST /clients/NAME` asks whether the client NAME may send a
//! request now, and counts that request if it may. `GET /clients/NAME` says how many requests are left.

mod limit;

use std::time::{SystemTime, UNIX_EPOCH};

use spin_sdk::http::{HeaderMap, IntoResponse, Method, Request, StatusCode};
use spin_sdk::key_value::Store;
use spin_sdk::{http_service, variables};

use limit::Limit;

#[http_service]
async fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    let now = now()?;
    let window = setting("window").await? * 1000;
    let store = Store::open_default().await?;
    let client_limit = setting("client_limit").await?;
    let total_limit = setting("total_limit").await?;
    let mut client = Limit::read(&store, request.uri().path(), client_limit, window, now).await?;
    let mut total = Limit::read(&store, "total", total_limit, window, now).await?;

    let mut headers = HeaderMap::new();
    let status = match *request.method() {
        Method::GET => StatusCode::OK,
        // The later of the two moments, since the request needs both limits.
        Method::POST => match client.wait(now).max(total.wait(now)) {
            0 => {
                client.take(&store, now).await?;
                total.take(&store, now).await?;
                StatusCode::OK
            }
            wait => {
                headers.insert("retry-after", wait.div_ceil(1000).into());
                StatusCode::TOO_MANY_REQUESTS
            }
        },
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    headers.insert("content-type", "application/json".parse()?);
    let body = format!(
        "{{\"client_left\":{},\"total_left\":{}}}\n",
        client.left(),
        total.left()
    );
    Ok((status, headers, body))
}

/// Milliseconds since 1970.
fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_millis()
        .try_into()?)
}

/// A variable of spin.toml that is a positive number.
async fn setting(name: &str) -> anyhow::Result<u64> {
    let value = variables::get(name).await?;
    match value.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number.into()),
        _ => anyhow::bail!("the variable {name} is not a number from 1 on: {value}"),
    }
}
