//! `static_response`: an answer that the manifest itself holds.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::reader::Item;
use crate::{AppError, StaticResponse};

pub(crate) fn read(item: &Item<'_>) -> Result<StaticResponse, AppError> {
    let mut section = item.section("`static_response`")?;
    let mut status = StatusCode::OK;
    if let Some(item) = section.take("status_code") {
        let code = item.integer()?;
        status = u16::try_from(code)
            .ok()
            .filter(|code| (200..1000).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or_else(|| {
                item.error(format!(
                    "{code} is no status code for a response; it must be from 200 to 999"
                ))
            })?;
    }
    let mut headers = HeaderMap::new();
    if let Some(item) = section.take("headers") {
        for item in item.section(item.name.clone())?.items() {
            let name = HeaderName::from_bytes(item.key.as_bytes()).map_err(|_| {
                item.error(format!("{:?} cannot be the name of a header", item.key))
            })?;
            if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                return Err(
                    item.error(format!("the header `{name}` is set by the host; remove it"))
                );
            }
            let text = item.string()?;
            let value = HeaderValue::from_str(text).map_err(|_| {
                item.error(format!(
                    "{text:?} cannot be the value of the header `{name}`"
                ))
            })?;
            headers.append(name, value);
        }
    }
    let body = match section.take("body") {
        Some(body) => Bytes::copy_from_slice(body.string()?.as_bytes()),
        None => Bytes::new(),
    };
    section.finish()?;
    Ok(StaticResponse {
        status,
        headers,
        body,
    })
}
