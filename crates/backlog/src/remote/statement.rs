//! Statements that a key of ours signs: JSON Web Tokens with RS256, for which vendors give out tokens that hold for a while.
//!
//! Nothing of a key is ever in a message.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

/// An RSA key that signs.
pub(crate) struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// The first key in a text of PEM: `BEGIN PRIVATE KEY`, or `BEGIN RSA PRIVATE KEY`. The error goes after "a key that".
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let no_pem = || "is no PEM (BEGIN PRIVATE KEY)".to_owned();
        let pair = match PrivateKeyDer::from_pem_slice(text).map_err(|_| no_pem())? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err("is no RSA key".to_owned()),
        };
        pair.map(Self).map_err(|error| format!("is no RSA key which can be used: {error}"))
    }

    /// What it says with these claims.
    pub(crate) fn statement(&self, header: &Value, claims: &Value) -> Result<String, String> {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the key cannot sign".to_owned())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::SigningKey;

    #[test]
    fn what_is_no_key_is_said_without_what_is_in_it() {
        for (text, why) in [
            ("s3cret", "is no PEM"),
            ("-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n", "no RSA key which can be used"),
            ("-----BEGIN RSA PRIVATE KEY-----\nczNjcmV0\n-----END RSA PRIVATE KEY-----\n", "no RSA key which can be used"),
            ("-----BEGIN EC PRIVATE KEY-----\nczNjcmV0\n-----END EC PRIVATE KEY-----\n", "is no RSA key"),
        ] {
            let said = SigningKey::from_pem(text.as_bytes()).err().unwrap();
            assert!(said.contains(why) && !said.contains("s3cret") && !said.contains("czNjcmV0"), "{said}");
        }
    }
}
