//! What every command is given: the global flags and the environment.

use crate::config::{self, Config, ConfigError, Flags};
use crate::environment::Environment;
use std::path::PathBuf;

/// Flags that every command has.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Global {
    /// The configuration file (default: the nearest strawboss.yaml from here upwards)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,
    /// The service to talk to, such as http://127.0.0.1:7070 (default: the configuration's)
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub(crate) server: Option<String>,
    /// The token to show; better in STRAWBOSS_TOKEN, since command lines can be read by others
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Everywhere", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Colours: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Everywhere",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) color: clap::ColorChoice,
}

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
}

impl Context {
    /// The configuration, without flags of `serve`.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        config::load(&Flags { config: self.global.config.clone(), ..Flags::default() }, &self.environment)
    }
}
