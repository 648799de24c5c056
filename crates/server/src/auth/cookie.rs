//! The browser's cookie: a token's id and an end, signed. It holds no secret of the token, and the server keeps nothing.

use hmac::{Hmac, KeyInit, Mac};
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue, header};
use sha2::Sha256;
use strawboss_core::Timestamp;

/// What a cookie says, when its signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The token's id.
    pub(crate) token: String,
    /// When it stops working.
    pub(crate) expires_at: Timestamp,
}

/// Seals and opens cookies.
pub(crate) struct CookieKey {
    key: [u8; 32],
    name: String,
}

impl CookieKey {
    /// Cookies know no ports: the name carries it, so that two servers on one machine do not sign each other out.
    pub(crate) fn new(key: [u8; 32], port: u16) -> Self {
        Self { key, name: format!("strawboss_session_{port}") }
    }

    fn mac(&self, token: &str, expires_at: Timestamp, admin_hash: &[u8; 32]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length; the constructor cannot fail")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of 32 bytes");
        mac.update(b"strawboss cookie 1\0");
        // A new admin token ends every session: whoever rotates it means just that.
        mac.update(admin_hash);
        mac.update(&expires_at.0.to_be_bytes());
        mac.update(token.as_bytes());
        mac
    }

    /// The cookie's value.
    pub(crate) fn seal(&self, token: &str, expires_at: Timestamp, admin_hash: &[u8; 32]) -> String {
        let mac = self.mac(token, expires_at, admin_hash).finalize().into_bytes();
        format!("1.{}.{}.{token}", hex(&mac), expires_at.0)
    }

    /// What the value says, when we said so. Does not look at the clock.
    pub(crate) fn open(&self, value: &str, admin_hash: &[u8; 32]) -> Option<Claim> {
        let mut parts = value.splitn(4, '.');
        let ("1", mac, expires_at, token) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else {
            return None;
        };
        let mac = unhex(mac)?;
        let expires_at = Timestamp(expires_at.parse().ok()?);
        self.mac(token, expires_at, admin_hash).verify_slice(&mac).ok()?;
        Some(Claim { token: token.to_owned(), expires_at })
    }

    /// Our cookie's value among the request's cookies.
    pub(crate) fn find<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(self.name.as_str())?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
    }

    /// The header that sets it.
    pub(crate) fn set_cookie(&self, value: &str, seconds: i64, https: bool) -> Result<HeaderValue, InvalidHeaderValue> {
        let secure = if https { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.name);
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The header that takes it back.
    pub(crate) fn clear(&self) -> HeaderValue {
        let text = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", self.name);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    let mut out = [0; 32];
    if bytes.len() != 64 {
        return None;
    }
    for (at, pair) in bytes.chunks_exact(2).enumerate() {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        out[at] = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::CookieKey;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;
    use strawboss_core::Timestamp;

    const ADMIN: [u8; 32] = [9; 32];

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = CookieKey::new([1; 32], 7070);
        let value = key.seal("tok.1", Timestamp(1000), &ADMIN);
        let claim = key.open(&value, &ADMIN).unwrap();
        assert_eq!((claim.token.as_str(), claim.expires_at), ("tok.1", Timestamp(1000)));
        assert_eq!(CookieKey::new([2; 32], 7070).open(&value, &ADMIN), None, "another key");
        assert_eq!(key.open(&value, &[8; 32]), None, "another admin token");
        assert_eq!(key.open(&value.replace(".1000.", ".9999."), &ADMIN), None, "a longer life");
        assert_eq!(key.open(&value.replace("tok.1", "admin"), &ADMIN), None, "another token");
    }

    proptest! {
        #[test]
        fn no_changed_byte_passes(at in 0usize..90, byte in 0x21u8..0x7f) {
            let key = CookieKey::new([1; 32], 7070);
            let value = key.seal("tok-1", Timestamp(1_700_000_000_000), &ADMIN);
            let mut bytes = value.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert_eq!(key.open(&String::from_utf8(bytes).unwrap(), &ADMIN), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            prop_assert_eq!(CookieKey::new([1; 32], 1).open(&text, &ADMIN), None);
        }
    }

    #[test]
    fn it_is_found_among_others_by_its_whole_name() {
        let key = CookieKey::new([1; 32], 7070);
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("strawboss_session_70700=no; a=b"));
        headers.append("cookie", HeaderValue::from_static("x=1; strawboss_session_7070=yes"));
        assert_eq!(key.find(&headers), Some("yes"));
        headers.clear();
        assert_eq!(key.find(&headers), None);
    }

    #[test]
    fn scripts_and_other_sites_cannot_have_it() {
        let key = CookieKey::new([1; 32], 7070);
        let value = key.set_cookie("v", 60, true).unwrap();
        let text = value.to_str().unwrap();
        for needed in ["HttpOnly", "SameSite=Strict", "Path=/", "Secure", "Max-Age=60"] {
            assert!(text.contains(needed), "{needed} in {text}");
        }
        assert!(value.is_sensitive());
        assert!(!key.set_cookie("v", 60, false).unwrap().to_str().unwrap().contains("Secure"));
    }
}
