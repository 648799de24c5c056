//! The certificate that browsers are shown: in time, for the name that people use, and not about to end.
//!
//! Who signed it is not judged: the edge makes itself one that nobody signed until there is a better one.

use super::Finding;
use crate::environment::{self, Environment};
use crate::output::words;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Below this somebody must look after it.
const SOON_MS: i64 = 14 * 86_400_000;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
const RENEW: &str = "Renew it (docs/deploy), or remove the edge's self-made one so that it makes another at its next start.";

/// Takes every certificate: it is looked at, not trusted.
#[derive(Debug)]
struct LookOnly(Vec<SignatureScheme>);

impl ServerCertVerifier for LookOnly {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// Where the edge is, for a look from where public names do not lead to it; or what is wrong with what was said.
pub(super) fn edge(environment: &Environment) -> Result<Option<&str>, Finding> {
    let variable = environment::TLS_AT;
    let Some(text) = environment.get(&variable) else { return Ok(None) };
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(Some(text)),
        _ => Err(Finding::warn(
            "environment",
            format!("{} cannot be `{text}`", variable.name),
            "Write a host and a port: `edge:8443`.",
        )),
    }
}

/// The certificate of a server: `host` or `host:port`, 443 when it says none.
pub(super) async fn served(place: &str, name: &str) -> Finding {
    let what = match place.strip_prefix(name) {
        Some("") => format!("certificate of {place}"),
        Some(port) if port.starts_with(':') => format!("certificate of {place}"),
        _ => format!("certificate of {name} at {place}"),
    };
    match shown(place, name).await {
        Ok(certificate) => judge(what, &certificate, Some(name), words::now()),
        Err(why) => Finding::warn(
            what,
            format!("{place} shows none: {why}"),
            "Look at the edge (`docker compose logs edge`), and at the name's address and port.",
        ),
    }
}

async fn shown(place: &str, name: &str) -> Result<CertificateDer<'static>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(LookOnly(schemes)))
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let address = if place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        place.to_owned()
    } else {
        format!("{place}:443")
    };
    let look = async {
        let stream = TcpStream::connect(&address).await.map_err(|error| error.to_string())?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(server, stream).await.map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
        shown.map(CertificateDer::into_owned).ok_or_else(|| "it sent no certificate".to_owned())
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| Err(format!("no answer in {} s", PATIENCE.as_secs())))
}

/// A certificate in a file, PEM.
pub(super) fn filed(file: &Path, name: Option<&str>) -> Finding {
    let what = format!("certificate {}", file.display());
    match CertificateDer::from_pem_file(file) {
        Ok(certificate) => judge(what, &certificate, name, words::now()),
        Err(error) => Finding::fail(what, format!("it cannot be read: {error}"), "Name a file that holds a certificate in PEM."),
    }
}

fn judge(what: String, certificate: &CertificateDer<'_>, name: Option<&str>, now: i64) -> Finding {
    let Some((begins, ends)) = validity(certificate) else {
        return Finding::fail(what, "it cannot be read: it is no X.509 certificate", RENEW);
    };
    if let Some(name) = name {
        let named = ServerName::try_from(name).map_err(|error| error.to_string());
        let fits = named.and_then(|server| {
            let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
            verify_server_name(&parsed, &server).map_err(|error| error.to_string())
        });
        if fits.is_err() {
            return Finding::fail(what, format!("it is not for {name}"), format!("Get one for {name}, and give it to the edge."));
        }
    }
    if now < begins {
        let detail = format!("it begins only on {}", words::moment(begins));
        return Finding::fail(what, detail, "Look at this machine's clock; or the certificate was made by one that is ahead.");
    }
    if now >= ends {
        return Finding::fail(what, format!("it ended on {}", words::moment(ends)), RENEW);
    }
    let left = format!("it ends on {} ({})", words::moment(ends), words::ago(ends, now));
    if ends - now < SOON_MS { Finding::warn(what, left, RENEW) } else { Finding::ok(what, left) }
}

/// From when until when a certificate holds, in milliseconds since 1970.
fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // The version may be left out; then serial number, algorithm and issuer.
    if element(rest)?.0 == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let (from, begins, rest) = element(validity)?;
    let (to, ends, _) = element(rest)?;
    (tag == 0x30).then_some((time(from, begins)?, time(to, ends)?))
}

/// The first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// UTCTime (`270118145524Z`, 1950 to 2049) or GeneralizedTime (`20270118145524Z`).
fn time(tag: u8, content: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let whole = match (tag, text.len()) {
        (0x17, 12) if text.get(..2)? >= "50" => format!("19{text}"),
        (0x17, 12) => format!("20{text}"),
        (0x18, 14) => text.to_owned(),
        _ => return None,
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", whole).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::{filed, judge, served, validity};
    use crate::environment::Environment;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::sync::Arc;
    use tokio::net::TcpListener;

    const CREW: &[u8] = include_bytes!("fixtures/crew.pem");
    const KEY: &[u8] = include_bytes!("fixtures/crew.key");
    const BEGINS: i64 = 1_795_272_924_000;
    const ENDS: i64 = 2_110_632_924_000;
    const DAY: i64 = 86_400_000;

    fn crew() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CREW).unwrap()
    }

    #[test]
    fn a_certificate_is_judged_by_its_time_and_name() {
        assert_eq!(validity(&crew()), Some((BEGINS, ENDS)));
        for (now, name, verdict, part) in [
            (BEGINS, Some("crew.example.org"), Verdict::Ok, "it ends on"),
            (BEGINS, None, Verdict::Ok, "it ends on"),
            (ENDS - 15 * DAY, Some("crew.example.org"), Verdict::Ok, "in 15d"),
            (ENDS - 13 * DAY, Some("crew.example.org"), Verdict::Warn, "in 13d"),
            (ENDS, Some("crew.example.org"), Verdict::Fail, "it ended on"),
            (BEGINS - 1, Some("crew.example.org"), Verdict::Fail, "begins only"),
            (BEGINS, Some("other.example.org"), Verdict::Fail, "not for other.example.org"),
            (BEGINS, Some("not a name"), Verdict::Fail, "not for"),
        ] {
            let found = judge("it".to_owned(), &crew(), name, now);
            assert_eq!(found.result, verdict, "{found:?}");
            assert!(found.detail.contains(part), "{found:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        let whole = crew();
        for cut in 0..whole.len().min(300) {
            let _ = validity(&whole[..cut]);
        }
        for wrong in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\xa0", &whole[..100]] {
            let found = judge("it".to_owned(), &CertificateDer::from(wrong.to_vec()), None, 0);
            assert_eq!(found.result, Verdict::Fail, "{found:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(filed(&dir.path().join("none.pem"), None).result, Verdict::Fail);
        std::fs::write(dir.path().join("crew.pem"), CREW).unwrap();
        assert!(filed(&dir.path().join("crew.pem"), Some("other.example.org")).detail.contains("not for"));
    }

    #[test]
    fn the_edges_address_has_a_port() {
        let edge = |text: &str| {
            let environment = Environment::of([("STRAWBOSS_TLS_AT".to_owned(), text.to_owned())]);
            super::edge(&environment).map(|found| found.map(str::to_owned))
        };
        assert_eq!(edge(""), Ok(None));
        assert_eq!(edge("edge:8443"), Ok(Some("edge:8443".to_owned())));
        assert_eq!(edge("[::1]:8443"), Ok(Some("[::1]:8443".to_owned())));
        for wrong in ["edge", "edge:", ":8443", "edge:0", "edge:https", "https://edge"] {
            let found = edge(wrong).unwrap_err();
            assert!(found.result == Verdict::Warn && found.detail.contains("STRAWBOSS_TLS_AT"), "{found:?}");
        }
    }

    #[tokio::test]
    async fn a_servers_certificate_is_looked_at_over_its_port() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![crew()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = acceptor.accept(stream).await;
            }
        });
        let found = served(&place, "other.example.org").await;
        assert_eq!(found.what, format!("certificate of other.example.org at {place}"));
        assert!(found.result == Verdict::Fail && found.detail.contains("not for other.example.org"), "{found:?}");
        assert!(served(&place, "crew.example.org").await.detail.contains("ends on"));
        serving.abort();
        let _ = serving.await;
        let found = served(&place, "crew.example.org").await;
        assert!(found.result == Verdict::Warn && found.detail.contains("shows none"), "{found:?}");
    }
}
