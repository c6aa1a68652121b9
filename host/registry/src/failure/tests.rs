use super::*;

fn attempt(insecure: bool, credentials: &Credentials) -> Attempt {
    let reference = Reference::parse("r.test/a:1").expect("a reference");
    Attempt::new(&reference, RegistryOperation::Pull, insecure, credentials)
}

fn password() -> Credentials {
    Credentials::Password {
        user: "me".into(),
        password: "secret".into(),
    }
}

/// Checks that an error says `part`, and what was asked for, and no secret.
fn assert_says(error: &RegistryError, part: &str) {
    let text = error.to_string();
    assert!(text.contains(part), "{text}");
    assert!(
        text.contains("r.test/a:1") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn each_status_has_its_own_words() {
    let anonymous = attempt(false, &Credentials::None);
    let known = attempt(false, &password());
    let insecure = attempt(true, &Credentials::None);
    let denied = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    for (error, part) in [
        (anonymous.refused(401, ""), "`docker login r.test`"),
        (
            known.refused(401, ""),
            "does not let the user \"me\" pull this.",
        ),
        (known.refused(403, denied), "pull this: not yours."),
        (
            anonymous.refused(403, ""),
            "does not let anyone unknown pull",
        ),
        (
            anonymous.refused(404, ""),
            "no such repository, tag or digest",
        ),
        (
            insecure.refused(400, "an HTTPS server"),
            "Leave --insecure out",
        ),
        (
            anonymous.refused(400, "an HTTPS server"),
            "answered 400: an HTTPS",
        ),
        (anonymous.refused(503, "<html>"), "answered 503: <html>"),
    ] {
        assert_says(&error, part);
    }
}

#[test]
fn each_answer_of_a_token_service_has_its_own_words() {
    let identity = Credentials::IdentityToken("secret".into());
    let expired = r#"{"error": "invalid_grant", "error_description": "it has expired"}"#;
    let unknown = r#"{"details": "incorrect username or password"}"#;
    for (credentials, status, body, part) in [
        (Credentials::None, 401, "", "`docker login r.test`"),
        (Credentials::None, 403, "", "has no credentials for it"),
        (
            password(),
            401,
            unknown,
            "does not accept the password of the user \"me\": incorrect username or password. Log in again",
        ),
        (
            password(),
            403,
            "",
            "does not let the user \"me\" pull this. Check the name",
        ),
        (
            identity.clone(),
            400,
            expired,
            "does not accept the identity token: it has expired. Log in again",
        ),
        (
            identity,
            403,
            "",
            "does not let the owner of the identity token pull this",
        ),
        (password(), 400, "what?", "answered 400: what?"),
        (password(), 503, "", "answered 503"),
    ] {
        let attempt = attempt(false, &credentials);
        let error = attempt.token_refused("https://auth.test/token", status, body, &credentials);
        assert_says(&error, part);
    }
}

#[test]
fn a_long_answer_is_cut() {
    let long = attempt(false, &Credentials::None).refused(500, &"ä".repeat(5000));
    assert!(long.to_string().chars().count() < 400);
}
