//! [`Challenge`]: how a registry wants to know who asks, from the header fields `WWW-Authenticate` of its answer to `/v2/`.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;

/// How a registry wants to know who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By user and password with each request, or not at all.
    Password,
    /// By a token that another server gives.
    Token {
        /// The URL of that server, as it was written.
        realm: String,
        /// What the registry calls itself there.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the fields. Where there is a choice it is the token, since that lets no more happen than is asked for.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(WWW_AUTHENTICATE).into_iter();
        fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| ChallengeParser::new(field).map_while(Result::ok))
            .find_map(|challenge| token(&challenge))
            .unwrap_or(Self::Password)
    }
}

fn token(challenge: &ChallengeRef<'_>) -> Option<Challenge> {
    if !challenge.scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameter = |wanted: &str| {
        let mut params = challenge.params.iter();
        let (_, value) = params.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(value.to_unescaped())
    };
    Some(Challenge::Token {
        realm: parameter("realm")?,
        service: parameter("service"),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(fields: &[&'static str]) -> Challenge {
        let fields = fields.iter().copied();
        let headers = fields.map(|field| (WWW_AUTHENTICATE, HeaderValue::from_static(field)));
        Challenge::read(&headers.collect())
    }

    fn token(service: Option<&str>) -> Challenge {
        Challenge::Token {
            realm: "https://auth.test/token".into(),
            service: service.map(Into::into),
        }
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://auth.test/token",service="r.test",scope="x""#;
        assert_eq!(read(&[bearer]), token(Some("r.test")));
        assert_eq!(read(&[r#"Basic realm="r""#, bearer]), token(Some("r.test")));
        assert_eq!(
            read(&[r#"Basic realm="r", bearer REALM="https://auth.test/token""#]),
            token(None)
        );
    }

    #[test]
    fn without_a_token_service_it_is_the_password() {
        for fields in [
            &[] as &[_],
            &[r#"Basic realm="r""#],
            &["Negotiate"],
            &["Bearer"],
            &[r#"Bearer service="r.test""#],
            &["\"="],
        ] {
            assert_eq!(read(fields), Challenge::Password, "{fields:?}");
        }
    }
}
