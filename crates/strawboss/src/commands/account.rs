//! `strawboss account …`

use super::scope::Scope;
use crate::client::{Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure, io};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use std::io::Read as _;
use strawboss_protocol::api::{AccountChange, AccountView, NewAccount};

/// How many random bytes a password has that is made here.
const RANDOM_BYTES: usize = 15;
/// The longest password that is read, in bytes; the service takes no longer one.
const MOST_BYTES: u64 = 1024;

/// Make, list, change and remove accounts of people who sign in with a name and a password
#[derive(Debug, clap::Args)]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AccountCommand {
    /// Make an account; without a password one is made, and printed once, alone on standard output
    #[command(after_help = "\
Examples:
  strawboss account create ann
  strawboss account create ann --scope read --password-stdin <ann.txt")]
    Create {
        /// What the person signs in as
        #[arg(value_name = "NAME")]
        name: String,
        /// What it allows
        #[arg(long, value_enum, default_value = "write")]
        scope: Scope,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List accounts
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give an account another password; all of its sign-ins end
    #[command(after_help = "Example:\n  strawboss account password ann --password-stdin <ann.txt")]
    Password {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Read it from the first line of standard input; without this one is made, and printed once
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account another scope; all of its sign-ins end
    #[command(after_help = "Example:\n  strawboss account scope ann admin")]
    Scope {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// What it allows from now on
        #[arg(value_enum)]
        scope: Scope,
    },
    /// Remove an account; all of its sign-ins end
    #[command(visible_alias = "rm", after_help = "Example:\n  strawboss account delete ann")]
    Delete {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// A password, and whether it was made here and must be shown.
fn password(from_stdin: bool) -> Result<(String, bool), Failure> {
    if !from_stdin {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Failure::new(format!("this machine gives no random numbers: {error}")))?;
        return Ok((URL_SAFE_NO_PAD.encode(bytes), true));
    }
    let mut text = String::new();
    std::io::stdin().take(MOST_BYTES + 2).read_to_string(&mut text).map_err(io("read the password"))?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        return Err(Failure::usage("there is no password on standard input").fix("Write it on the first line."));
    }
    Ok((line, false))
}

/// Does what `account` says.
pub(crate) async fn run(args: AccountArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    match args.command {
        AccountCommand::Create { name, scope, password_stdin, json } => {
            let (password, show) = password(password_stdin)?;
            let new = NewAccount { username: name, password: password.clone(), scope: Some(scope.word().to_owned()) };
            let answer = api.post::<AccountView>("/api/v1/accounts", Some(&new)).await?;
            if json {
                let mut raw = answer.raw;
                if let (true, Some(fields)) = (show, raw.as_object_mut()) {
                    fields.insert("password".to_owned(), password.into());
                }
                output::json(&raw)?;
            } else {
                output::note(&format!("account {} ({}) is made{}", answer.value.username, answer.value.scope, shown(show)));
                print(&password, show)?;
            }
        }
        AccountCommand::List { json } => {
            let answer = api.get::<Vec<AccountView>>("/api/v1/accounts").await?;
            if json {
                output::json(&answer.raw)?;
                return Ok(ExitStatus::Success);
            }
            let now = words::now();
            let mut table = Table::new(&["NAME", "SCOPE", "MADE", "SIGNED IN"]);
            for account in &answer.value {
                table.row(vec![
                    cell(account.username.clone(), Tone::Strong),
                    plain(account.scope.clone()),
                    cell(words::ago(account.created_at, now), Tone::Faint),
                    plain(account.sign_ins.to_string()),
                ]);
            }
            output::line(&table.finish("There is no account: people use tokens. Make one with `strawboss account create`."))?;
        }
        AccountCommand::Password { name, password_stdin } => {
            let (password, show) = password(password_stdin)?;
            change(&api, &name, &AccountChange { password: Some(password.clone()), scope: None }).await?;
            output::note(&format!("account {name} has another password, and its sign-ins are over{}", shown(show)));
            print(&password, show)?;
        }
        AccountCommand::Scope { name, scope } => {
            change(&api, &name, &AccountChange { password: None, scope: Some(scope.word().to_owned()) }).await?;
            output::note(&format!("account {name} has the scope {}, and its sign-ins are over", scope.word()));
        }
        AccountCommand::Delete { name } => {
            api.send(Method::DELETE, &path(&name), None).await?;
            output::note(&format!("account {name} is removed, and its sign-ins are over"));
        }
    }
    Ok(ExitStatus::Success)
}

fn path(name: &str) -> String {
    format!("/api/v1/accounts/{}", part(name))
}

fn shown(show: bool) -> &'static str {
    if show { "; its password is not shown again:" } else { "" }
}

fn print(password: &str, show: bool) -> Result<(), Failure> {
    if show { output::line(password) } else { Ok(()) }
}

async fn change(api: &Api, name: &str, change: &AccountChange) -> Result<(), Failure> {
    let body = serde_json::to_value(change).map_err(|error| Failure::new(format!("could not write the request: {error}")))?;
    api.send(Method::PUT, &path(name), Some(body)).await?;
    Ok(())
}
