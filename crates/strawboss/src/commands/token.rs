//! `strawboss token …`

use super::scope::Scope;
use crate::client::{Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use reqwest::Method;
use strawboss_protocol::api::{NewToken, TokenView};

/// Make, list and end API tokens
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Make a token; its secret is printed once, alone on standard output
    #[command(after_help = "\
Example:
  STRAWBOSS_TOKEN=$(strawboss token create dashboard --scope read --days 30)")]
    Create {
        /// What it is for
        #[arg(value_name = "LABEL")]
        label: String,
        /// What it allows
        #[arg(long, value_enum, default_value = "write")]
        scope: Scope,
        /// After how many days it stops working; never when left out
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List tokens, without their secrets
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a token
    Revoke {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Print the link that signs a browser in with the admin token
    Link,
}

/// Does what `token` says.
pub(crate) async fn run(args: TokenArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    match args.command {
        TokenCommand::Create { label, scope, days, json } => {
            let new = NewToken { label, scope: scope.word().to_owned(), expires_in_days: days };
            let answer = api.post::<TokenView>("/api/v1/tokens", Some(&new)).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                let token = &answer.value;
                let until = token.expires_at.map(|at| format!(" until {}", words::moment(at))).unwrap_or_default();
                output::note(&format!("token {} ({}{until}); its secret is not shown again:", token.id, token.scope));
                output::line(token.secret.as_deref().unwrap_or_default())?;
            }
        }
        TokenCommand::List { json } => {
            let answer = api.get::<Vec<TokenView>>("/api/v1/tokens").await?;
            if json {
                output::json(&answer.raw)?;
                return Ok(ExitStatus::Success);
            }
            let now = words::now();
            let mut table = Table::new(&["ID", "SCOPE", "LABEL", "MADE", "ENDS"]);
            for token in &answer.value {
                let ends = match token.expires_at {
                    None => plain("never"),
                    Some(at) if at <= now => cell("ended", Tone::Faint),
                    Some(at) => plain(words::ago(at, now)),
                };
                table.row(vec![
                    cell(token.id.clone(), Tone::Strong),
                    plain(token.scope.clone()),
                    plain(words::one_line(&token.label)),
                    cell(words::ago(token.created_at, now), Tone::Faint),
                    ends,
                ]);
            }
            output::line(&table.finish("There is no token but the admin token in the data directory."))?;
        }
        TokenCommand::Revoke { id } => {
            api.send(Method::DELETE, &format!("/api/v1/tokens/{}", part(&id)), None).await?;
            output::note(&format!("token {id} no longer works"));
        }
        TokenCommand::Link => {
            let Some(token) = api.token() else {
                return Err(Failure::new("there is no token to make a link with")
                    .fix("Run this where the service runs, as its user, or set STRAWBOSS_TOKEN.")
                    .status(ExitStatus::Denied));
            };
            let public = context.config().ok().and_then(|config| config.settings.server.public_url);
            output::line(&format!("{}/#token={token}", public.as_deref().unwrap_or(api.base())))?;
        }
    }
    Ok(ExitStatus::Success)
}
