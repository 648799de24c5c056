//! The HTTP interface: one file per resource. Routes read a request, ask the engine, and write the answer; they decide
//! nothing and keep nothing.

pub mod accounts;
pub mod config;
pub mod events;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod projects;
pub mod retention;
pub mod reviews;
pub mod runs;
pub mod sessions;
pub mod sign_in;
pub mod status;
pub mod tasks;
pub mod terminal;
pub mod tokens;

use crate::state::AppState;
use strawboss_protocol::api::ErrorBody;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What answers without credentials: everything else answers 401. A test compares this list with the OpenAPI document.
pub const PUBLIC: [(&str, &str); 4] =
    [("GET", "/health"), ("GET", "/ready"), ("POST", "/api/v1/sign-in"), ("GET", "/api/openapi.json")];

/// Routes that answer without credentials.
pub(crate) fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(health::openapi_json))
}

/// Routes for `read` (asking) and `write` (everything else).
pub(crate) fn guarded() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(tasks::task_list, tasks::task_add))
        .routes(routes!(tasks::task_show))
        .routes(routes!(tasks::task_approve))
        .routes(routes!(tasks::task_start))
        .routes(routes!(tasks::task_stop))
        .routes(routes!(tasks::task_retry))
        .routes(routes!(tasks::task_block))
        .routes(routes!(runs::run_list))
        .routes(routes!(runs::run_show))
        .routes(routes!(runs::run_events))
        .routes(routes!(runs::run_diff))
        .routes(routes!(runs::run_terminal))
        .routes(routes!(runs::run_stop))
        .routes(routes!(runs::run_say))
        .routes(routes!(runs::run_answer))
        .routes(routes!(reviews::review_list))
        .routes(routes!(reviews::review_show))
        .routes(routes!(reviews::review_diff))
        .routes(routes!(reviews::review_approve))
        .routes(routes!(reviews::review_reject))
        .routes(routes!(projects::project_list))
        .routes(routes!(retention::retention_show))
        .routes(routes!(sessions::session_list, sessions::session_create))
        .routes(routes!(sessions::session_show, sessions::session_delete))
        .routes(routes!(sessions::session_start))
        .routes(routes!(sessions::session_stop))
        .routes(routes!(events::events))
        .routes(routes!(sign_in::me))
        .routes(routes!(terminal::session_terminal))
}

/// Routes that any good credentials may use, whatever the method: they change nothing but the caller's own cookie.
pub(crate) fn any_scope() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(sign_in::sign_out))
}

/// Routes for `admin`.
pub(crate) fn admin() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(tokens::token_list, tokens::token_create))
        .routes(routes!(tokens::token_revoke))
        .routes(routes!(accounts::account_list, accounts::account_create))
        .routes(routes!(accounts::account_change, accounts::account_delete))
        .routes(routes!(logs::logs))
        .routes(routes!(config::config_reload))
        .routes(routes!(retention::retention_apply))
}

/// `/metrics`, which has a rule of its own.
pub(crate) fn measured() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics::metrics))
}

/// Documents which errors an endpoint has, beside the ones that all have.
pub(crate) struct Errors<const FIND: bool, const COMMAND: bool, const BODY: bool>;

/// Of lists and the like.
pub(crate) type ReadErrors = Errors<false, false, false>;
/// Of what names one thing.
pub(crate) type FindErrors = Errors<true, false, false>;
/// Of commands that a state can forbid.
pub(crate) type CommandErrors = Errors<true, true, false>;
/// Of commands with a body.
pub(crate) type BodyErrors = Errors<true, true, true>;

impl<const FIND: bool, const COMMAND: bool, const BODY: bool> utoipa::IntoResponses for Errors<FIND, COMMAND, BODY> {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let mut all = vec![
            ("400", "What was sent makes no sense"),
            ("401", "No credentials, or ones that are not good"),
            ("403", "The credentials do not allow it"),
            ("421", "The Host header names no address that this server is known by"),
            ("500", "A defect; the log says more"),
            ("503", "Something that it needs does not answer now"),
        ];
        if FIND {
            all.push(("404", "There is no such thing"));
        }
        if COMMAND {
            all.push(("409", "Its state does not allow it now"));
        }
        if BODY {
            all.push(("408", "The body took too long to arrive"));
            all.push(("413", "The body is too long"));
            all.push(("415", "The body is not JSON"));
        }
        all.into_iter().map(|(status, text)| (status.to_owned(), RefOr::T(error_response(text)))).collect()
    }
}

fn error_response(description: &str) -> Response {
    let schema = Ref::from_schema_name(<ErrorBody as utoipa::ToSchema>::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}
