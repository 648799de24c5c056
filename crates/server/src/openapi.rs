//! The OpenAPI document, made from the handlers' own types; `openapi.json` in the repository is its snapshot.

use crate::routes;
use strawboss_protocol::api::{BlockView, ErrorBody, Event, SessionClientMessage, SessionServerMessage};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Strawboss",
        description = "Takes a backlog, runs a crew of coding agents on it, each in a sandbox of its own, and hands back \
                       finished, checked branches to review. Every error has the body `ErrorBody`. Unknown fields and \
                       unknown query keys are refused. Times are milliseconds since 1970 UTC.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Credentials),
    components(schemas(ErrorBody, BlockView, Event, SessionServerMessage, SessionClientMessage)),
    tags(
        (name = "tasks", description = "Pieces of work"),
        (name = "runs", description = "Attempts of agents at tasks"),
        (name = "reviews", description = "Decisions on finished work"),
        (name = "projects", description = "Repositories with their defaults"),
        (name = "sessions", description = "Terminals"),
        (name = "events", description = "What changes, as it changes"),
        (name = "tokens", description = "API tokens (scope admin)"),
        (name = "accounts", description = "People who sign in with a name and a password (scope admin)"),
        (name = "sign-in", description = "Browsers' cookies"),
        (name = "system", description = "The service itself"),
    )
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The admin token, or an API token: scope `read` asks, `write` also commands, `admin` may all."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(
            "strawboss_session",
            "From `POST /api/v1/sign-in`; the name ends in an underscore and the port. What changes something needs \
             `X-Strawboss: 1` and an `Origin` of this server.",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        document.security = Some(vec![
            SecurityRequirement::new("bearer", Vec::<String>::new()),
            SecurityRequirement::new("cookie", Vec::<String>::new()),
        ]);
    }
}

/// The document of every endpoint that this server has.
pub fn openapi() -> utoipa::openapi::OpenApi {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(routes::open())
        .merge(routes::guarded())
        .merge(routes::any_scope())
        .merge(routes::admin())
        .merge(routes::measured())
        .into_openapi()
}

/// [`openapi`] as it stands in the repository's `openapi.json`.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    openapi().to_pretty_json().map(|mut text| {
        text.push('\n');
        text
    })
}
