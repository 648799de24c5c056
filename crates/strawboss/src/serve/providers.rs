//! The gateway from what is configured, with the secrets read from where the configuration says they are.

use crate::config::DEFAULT_PROVIDER;
use crate::config::settings::{Provider as Configured, SecretSource, Settings};
use crate::environment::{self, Environment};
use crate::failure::{ExitStatus, Failure};
use std::collections::BTreeMap;
use std::sync::Arc;
use strawboss_core::meter::Meter;
use strawboss_core::project::{ModelEntry, Unusable};
use strawboss_gateway::{Auth, ModelProxy, Outbound, Prices, Provider, ProxyConfig, ProxyLimits, Secret, SecretError};

/// The providers that are configured; the well-known one from its well-known variables when none is.
pub(crate) fn configured(settings: &Settings, environment: &Environment) -> Vec<Configured> {
    if !settings.providers.is_empty() {
        return settings.providers.clone();
    }
    let (auth, variable) = match environment.get(&environment::ANTHROPIC_API_KEY) {
        Some(_) => (Auth::ApiKey, environment::ANTHROPIC_API_KEY.name),
        None if environment.get(&environment::CLAUDE_CODE_OAUTH_TOKEN).is_some() => {
            (Auth::OauthToken, environment::CLAUDE_CODE_OAUTH_TOKEN.name)
        }
        None => return Vec::new(),
    };
    vec![Configured {
        name: DEFAULT_PROVIDER.to_owned(),
        base_url: environment.get(&environment::ANTHROPIC_BASE_URL).unwrap_or("https://api.anthropic.com").to_owned(),
        auth,
        secret: Some(SecretSource::Env(variable.to_owned())),
        paths: None,
        prices: BTreeMap::new(),
    }]
}

/// A provider's credential, which is read now and shown to nobody.
pub(crate) fn secret(provider: &Configured, environment: &Environment) -> Result<Option<Secret>, Failure> {
    let read = match &provider.secret {
        None => return Ok(None),
        Some(SecretSource::Env(variable)) => match environment.secret(variable) {
            Ok(Some(found)) => {
                let place = found.file.map_or_else(|| format!("the variable {variable}"), |file| file.display().to_string());
                Secret::new(&found.value, &place).map_err(|error| error.to_string())
            }
            Ok(None) => Err(SecretError::NoVariable(variable.clone()).to_string()),
            Err(why) => Err(why),
        },
        Some(SecretSource::File(path)) => Secret::from_file(path).map_err(|error| error.to_string()),
    };
    read.map(Some).map_err(|error| {
        Failure::new(format!("the provider `{}` has no credential: {error}", provider.name))
            .fix("Give it one, or take the provider out of `providers:`; `strawboss doctor` checks all of them.")
            .status(ExitStatus::Usage)
    })
}

/// The configured models; those whose provider lacks its credential say so.
pub(super) fn models(settings: &Settings, environment: &Environment) -> BTreeMap<String, ModelEntry> {
    let lacking: BTreeMap<String, Unusable> = configured(settings, environment)
        .into_iter()
        .filter_map(|one| {
            let failure = secret(&one, environment).err()?;
            Some((one.name, Unusable { message: failure.message, fix: failure.fix.unwrap_or_default() }))
        })
        .collect();
    let mut models = settings.models.clone();
    for model in models.values_mut() {
        let provider = model.provider.as_deref().unwrap_or(DEFAULT_PROVIDER);
        model.unusable = lacking.get(provider).cloned();
    }
    models
}

/// Lets sandboxes ask the configured providers.
pub(super) fn model_proxy(settings: &Settings, environment: &Environment, meter: Arc<dyn Meter>) -> Result<ModelProxy, Failure> {
    let mut providers = Vec::new();
    let mut prices = Vec::new();
    for one in configured(settings, environment) {
        let secret = match secret(&one, environment) {
            Ok(secret) => secret,
            Err(lacking) => {
                tracing::warn!(fix = lacking.fix.as_deref().unwrap_or_default(), "{}; its models are not used", lacking.message);
                continue;
            }
        };
        let made = Provider::new(&one.name, &one.base_url, one.auth, secret);
        let made = match &one.paths {
            Some(paths) => made.and_then(|provider| provider.with_paths(paths)),
            None => made,
        };
        providers.push(made.map_err(|error| Failure::usage(error.to_string()))?);
        prices.extend(one.prices);
    }
    if providers.is_empty() {
        tracing::warn!("no provider is configured and ANTHROPIC_API_KEY is not set: agents will have no model");
    }
    let config = ProxyConfig {
        providers,
        prices: prices.into_iter().collect::<Prices>(),
        limits: ProxyLimits::default(),
        outbound: Outbound::from_env(),
        meter,
        roots: None,
    };
    ModelProxy::new(config).map_err(|error| Failure::new(error.to_string()))
}
