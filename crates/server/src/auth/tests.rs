//! A browser's sign-in while the host's clock is set back.

use super::{ADMIN_ID, Auth, AuthConfig, COOKIE_LIFE_MS, KnownToken, TokenCheck};
use http::{HeaderMap, HeaderValue, header};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use strawboss_core::Timestamp;
use strawboss_engine::Refused;
use strawboss_engine::ports::Clock;

const HOUR_MS: i64 = 3_600_000;

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct NoTokens;

#[async_trait::async_trait]
impl TokenCheck for NoTokens {
    async fn by_secret(&self, _: &str) -> Result<Option<KnownToken>, Refused> {
        Ok(None)
    }

    async fn by_id(&self, _: &str) -> Result<Option<KnownToken>, Refused> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_cookie_outlives_a_clock_that_is_set_back_and_ends_by_it() {
    let clock = Arc::new(SetClock(AtomicI64::new(100 * HOUR_MS)));
    let config = AuthConfig {
        admin_token_hash: AuthConfig::hash("secret"),
        cookie_key: [7; 32],
        public_names: Vec::new(),
        metrics_on_loopback: false,
        registration: false,
        trusted_proxies: Vec::new(),
    };
    let auth = Auth::new(&config, ([127, 0, 0, 1], 7070).into(), Arc::new(NoTokens), clock.clone());
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let signed = auth.sign_in(peer, &HeaderMap::new(), "secret").await.unwrap();
    let cookie = signed.set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&cookie).unwrap())]);
    for hours in [99, 0, 100] {
        clock.0.store(hours * HOUR_MS, Ordering::SeqCst);
        assert_eq!(auth.identify(&headers).await.unwrap().token.id, ADMIN_ID, "at {hours} h");
    }
    clock.0.store(100 * HOUR_MS + COOKIE_LIFE_MS, Ordering::SeqCst);
    assert!(auth.identify(&headers).await.is_err(), "it ends when it was to");
}
