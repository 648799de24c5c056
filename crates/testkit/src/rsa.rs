//! Keys that sign statements, and how a vendor's server looks at what they signed.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A private key, made for this process: they take a moment, and none lies in the repository.
pub(crate) fn private_key(number: usize) -> Result<&'static str> {
    static KEYS: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
    let slot = KEYS.get(number).context("there are two keys")?;
    if let Some(key) = slot.get() {
        return Ok(key);
    }
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .context("openssl cannot be run: install it")?;
    ensure!(made.status.success(), "openssl made no key: {}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout)?;
    Ok(slot.get_or_init(|| key))
}

/// The same key in the form that begins with `BEGIN RSA PRIVATE KEY`.
pub(crate) fn traditional(pem: &str) -> Result<String> {
    let mut openssl = Command::new("openssl")
        .args(["rsa", "-traditional"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("openssl cannot be run: install it")?;
    openssl.stdin.take().context("openssl takes no key")?.write_all(pem.as_bytes())?;
    Ok(String::from_utf8(openssl.wait_with_output()?.stdout)?)
}

/// The public half of a private key.
pub(crate) fn public_key(pem: &str) -> Result<Vec<u8>> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).context("openssl made another key than was asked for")?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
    let pair = pair.map_err(|error| anyhow::anyhow!("openssl made another key than was asked for: {error}"))?;
    Ok(pair.public_key().as_ref().to_vec())
}

fn part(text: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text)?)?)
}

/// What stands before a statement's claims.
pub(crate) fn header(statement: &str) -> Result<Value> {
    let header = part(statement.split('.').next().unwrap_or_default())?;
    ensure!(header["alg"] == "RS256" && header["typ"] == "JWT");
    Ok(header)
}

/// What a statement claims, if this key signed it.
pub(crate) fn claims(statement: &str, public_key: &[u8]) -> Result<Value> {
    header(statement)?;
    let (signed, signature) = statement.rsplit_once('.').context("no signature")?;
    let (_, claims) = signed.split_once('.').context("no claims")?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
    if key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature)?).is_err() {
        bail!("another key signed it");
    }
    part(claims)
}
