//! A provider as configured: where it is, how it is told who pays, and which of its paths a sandbox may use.

use super::secret::Secret;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri, header};

/// How a provider is told who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `x-api-key: …`
    ApiKey,
    /// `authorization: Bearer …`, as for a subscription's token.
    OauthToken,
}

/// Why a provider cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Its address is none.
    #[error("providers.{name}.base_url: {problem}; expected something like https://api.anthropic.com")]
    BaseUrl {
        /// The provider.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Two have one name.
    #[error("providers.{0} is configured twice")]
    Twice(String),
    /// A path pattern is none.
    #[error("providers.{name}.paths: `{path}` must start with `/` and may hold `*` only as its last part")]
    Path {
        /// The provider.
        name: String,
        /// The pattern.
        path: String,
    },
    /// The machine's root certificates cannot be read.
    #[error(
        "could not read this machine's root certificates, which https providers need: {0}; install ca-certificates or set SSL_CERT_FILE"
    )]
    Roots(#[source] std::io::Error),
    /// TLS cannot be set up.
    #[error("could not set up TLS: {0}")]
    Tls(#[source] rustls::Error),
}

/// Of the Messages API, what an agent needs. Batches and files are left out: they are not metered, and runs that share
/// an account would see each other's.
pub const DEFAULT_PATHS: [&str; 4] = ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/*"];

/// A provider.
#[derive(Debug, Clone)]
pub struct Provider {
    pub(super) name: String,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) host: HeaderValue,
    base_path: String,
    pub(super) credential: Option<(HeaderName, HeaderValue)>,
    pub(super) secret: Option<Secret>,
    paths: Vec<String>,
}

impl Provider {
    /// A provider at `base_url`. Without a secret (a local model) none is sent.
    pub fn new(name: &str, base_url: &str, auth: Auth, secret: Option<Secret>) -> Result<Self, ConfigError> {
        let wrong = |problem: &str| ConfigError::BaseUrl { name: name.to_owned(), problem: problem.to_owned() };
        let uri: Uri = base_url.trim().parse().map_err(|error| wrong(&format!("it is no URL ({error})")))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            _ => return Err(wrong("it must start with http:// or https://")),
        };
        let authority = uri.authority().cloned().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name or password has no place in it; give the credential as the provider's secret"));
        }
        if uri.query().is_some() {
            return Err(wrong("it must not have a query"));
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host has odd characters"))?;
        let base_path = uri.path().trim_end_matches('/').to_owned();
        let credential = secret.as_ref().and_then(|secret| match auth {
            Auth::ApiKey => Some((HeaderName::from_static("x-api-key"), secret.header("")?)),
            Auth::OauthToken => Some((header::AUTHORIZATION, secret.header("Bearer ")?)),
        });
        let paths = DEFAULT_PATHS.map(str::to_owned).to_vec();
        Ok(Self { name: name.to_owned(), scheme, authority, host, base_path, credential, secret, paths })
    }

    /// Lets sandboxes use these paths instead of [`DEFAULT_PATHS`]. `/v1/models/*` means one more part.
    pub fn with_paths(mut self, paths: &[String]) -> Result<Self, ConfigError> {
        for path in paths {
            let fixed = path.strip_suffix("/*").unwrap_or(path);
            if !fixed.starts_with('/') || fixed.contains('*') || !is_plain(fixed) {
                return Err(ConfigError::Path { name: self.name, path: path.clone() });
            }
        }
        self.paths = paths.to_vec();
        Ok(self)
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn allows(&self, path: &str) -> bool {
        self.paths.iter().any(|allowed| match allowed.strip_suffix("/*") {
            Some(parent) => path
                .strip_prefix(parent)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|part| !part.is_empty() && !part.contains('/')),
            None => path == allowed,
        })
    }

    /// Its address for an allowed path. A base URL that ends in `/v1` means the same as one that does not.
    pub(super) fn uri(&self, path: &str, query: Option<&str>) -> Option<Uri> {
        let path = if self.base_path.ends_with("/v1") { path.strip_prefix("/v1").unwrap_or(path) } else { path };
        let mut whole = String::with_capacity(self.base_path.len() + path.len() + query.map_or(0, |query| query.len() + 1));
        whole.push_str(&self.base_path);
        whole.push_str(path);
        if let Some(query) = query {
            whole.push('?');
            whole.push_str(query);
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(whole)).ok()?);
        Uri::from_parts(parts).ok()
    }
}

/// Whether a path means the same to everybody who reads it: no dot segments, no empty ones, nothing encoded.
pub(super) fn is_plain(path: &str) -> bool {
    path.len() <= 1024
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b':' | b'@' | b'~'))
        && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..")
}

/// `/gateway/<api>/v1/…` as its api and the rest.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/gateway/")?;
    let slash = rest.find('/')?;
    Some((&rest[..slash], &rest[slash..]))
}

#[cfg(test)]
mod tests {
    use super::{Auth, Provider, is_plain, split};
    use proptest::prelude::*;

    fn provider(base: &str) -> Provider {
        Provider::new("p", base, Auth::ApiKey, None).unwrap()
    }

    #[test]
    fn an_address_is_joined_once() {
        for (base, expected) in [
            ("https://api.example.com", "https://api.example.com/v1/messages?beta=true"),
            ("https://api.example.com/", "https://api.example.com/v1/messages?beta=true"),
            ("http://qwen:11434/v1", "http://qwen:11434/v1/messages?beta=true"),
            ("http://[::1]:8080/deep/er", "http://[::1]:8080/deep/er/v1/messages?beta=true"),
        ] {
            assert_eq!(provider(base).uri("/v1/messages", Some("beta=true")).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_wrong_address_says_what_is_wrong() {
        for (base, part) in [
            ("api.example.com", "http://"),
            ("ftp://x", "http://"),
            ("https://user:hunter2@x", "user name"),
            ("https://x?y", "query"),
            ("", "no URL"),
        ] {
            let error = Provider::new("p", base, Auth::ApiKey, None).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hunter2"), "{base}: {error}");
        }
    }

    #[test]
    fn only_what_an_agent_needs_is_allowed() {
        let provider = provider("https://x");
        for path in ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/claude-x"] {
            assert!(is_plain(path) && provider.allows(path), "{path}");
        }
        for path in [
            "/v1/messages/batches",
            "/v1/files",
            "/v1/organizations/me",
            "/v1/models/",
            "/v1/models/a/b",
            "/v1",
            "/",
            "/v1/messages/",
            "/api/oauth/usage",
        ] {
            assert!(!provider.allows(path), "{path}");
        }
        let more = provider.with_paths(&["/v1/chat/completions".to_owned()]).unwrap();
        assert!(more.allows("/v1/chat/completions") && !more.allows("/v1/messages"));
        assert!(more.clone().with_paths(&["v1/x".to_owned()]).is_err());
        assert!(more.with_paths(&["/v1/*/x".to_owned()]).is_err());
    }

    #[test]
    fn a_path_is_taken_apart() {
        assert_eq!(split("/gateway/anthropic/v1/messages"), Some(("anthropic", "/v1/messages")));
        for wrong in ["/gateway/anthropic", "/gateway", "/x/anthropic/v1", "gateway/a/b"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
        for wrong in
            ["/v1/../v2", "/v1/./x", "/v1//x", "/v1/%2e%2e/x", "/v1/x%2fy", "/v1\\x", "/v1/x;y", "/v1/é", "/v1/x/", "//v1"]
        {
            assert!(!is_plain(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_base(path in "(/[a-zA-Z0-9._~:@%/-]{0,12}){0,6}") {
            if is_plain(&path)
                && let Some(uri) = provider("https://x/base").uri(&path, None)
            {
                // A reader that normalises finds the same place.
                let normal = url::Url::parse(&uri.to_string()).unwrap();
                prop_assert_eq!(normal.path(), uri.path());
                prop_assert!(normal.path().starts_with("/base"));
            }
        }
    }
}
