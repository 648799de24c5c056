//! `strawboss doctor`: everything that a service needs, looked at one by one; what is wrong and how to mend it.

mod backlogs;
mod backups;
mod certificate;
mod deployment;
mod door;
mod gpu;
mod machine;
mod network;
mod work;

use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::{self, words};
use crate::serve::sources::Opener;
use serde::Serialize;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Look at everything that the service needs: what is wrong, and how to mend it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It ends with 1 when anything is FAIL. It shows no secret and spends no tokens. The door is proved with a real sandbox of
each image that projects use, which pulls images that are not there; --quick leaves that out.

Examples:
  strawboss doctor
  strawboss doctor --quick
  strawboss doctor --json | jq '.[] | select(.result != \"ok\")'")]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Leave out what takes long: sandboxes of each image, providers, hosts, certificates and repositories over the network
    #[arg(long)]
    quick: bool,
    /// Where browsers reach the service over TLS, `name` or `name=host:port`; else each of `server.public_names`. Names
    /// without an address are looked at where STRAWBOSS_TLS_AT says
    #[arg(long, value_name = "NAME")]
    tls: Vec<String>,
    /// Look at the certificate in this file, too
    #[arg(long, value_name = "FILE")]
    certificate: Option<std::path::PathBuf>,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What.
    pub(super) what: String,
    /// How it is.
    pub(super) result: Verdict,
    /// In words.
    pub(super) detail: String,
    /// How to mend it.
    pub(super) fix: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, result: Verdict, detail: impl Into<String>) -> Self {
        Self { what: what.into(), result, detail: detail.into(), fix: None }
    }

    /// As it should be.
    pub(super) fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what, Verdict::Ok, detail)
    }

    /// Worth a look.
    pub(super) fn warn(what: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(what, Verdict::Warn, detail) }
    }

    /// Wrong.
    pub(super) fn fail(what: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(what, Verdict::Fail, detail) }
    }
}

/// Prints findings as they come, or keeps them for JSON.
struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    fn say(&mut self, found: impl IntoIterator<Item = Finding>) -> Result<(), Failure> {
        for finding in found {
            if !self.json {
                output::line(&line(&finding, style::stdout()))?;
            }
            self.findings.push(finding);
        }
        Ok(())
    }
}

fn line(finding: &Finding, colour: bool) -> String {
    let (word, tone) = match finding.result {
        Verdict::Ok => ("OK  ", Tone::Good),
        Verdict::Warn => ("WARN", Tone::Doubt),
        Verdict::Fail => ("FAIL", Tone::Bad),
    };
    let indent = |text: &str| words::clean(text).replace('\n', "\n     ");
    let mut text = format!(
        "{} {}: {}",
        paint(word, tone, colour),
        paint(&words::one_line(&finding.what), Tone::Strong, colour),
        indent(&finding.detail)
    );
    if let Some(fix) = &finding.fix {
        let _ = write!(text, "\n     {} {}", paint("→", Tone::Busy, colour), indent(fix));
    }
    text
}

/// Looks at everything.
pub(crate) async fn run(args: DoctorArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let mut report = Report { json: args.json, findings: Vec::new() };
    let config = match context.config() {
        Ok(config) => {
            report.say(configured(&config))?;
            Some(config)
        }
        Err(error) => {
            report.say([misconfigured(&error)])?;
            None
        }
    };
    report.say(machine::variables(&context.environment))?;
    report.say([machine::git().await])?;
    report.say([machine::supervisor(&context.environment)])?;
    report.say(deployment::versions(&context.environment).await)?;
    if let Some(Config { settings, file, .. }) = &config {
        report.say(machine::data_dir(settings))?;
        report.say([machine::port(settings)])?;
        report.say(deployment::database(settings).await)?;
        report.say(backups::folder(settings, words::now()))?;
        let (finding, engine) = machine::runner(settings).await;
        report.say([finding])?;
        let (facts, finding) = if engine { machine::engine(settings).await } else { (None, None) };
        report.say(finding)?;
        report.say(gpu::judge(&gpu::Driver::probe().await, facts.as_ref(), gpu::wanted(settings)))?;
        report.say(machine::agents(settings, &context.environment))?;
        report.say(work::providers(settings, &context.environment, args.quick).await)?;
        let opener = Opener { config: file, data_dir: None, environment: &context.environment };
        report.say(backlogs::all(settings, &opener, args.quick).await)?;
        report.say(work::projects(settings, args.quick).await)?;
        if !args.quick {
            report.say(network::hosts(settings).await)?;
            let edge = certificate::edge(&context.environment);
            report.say(edge.as_ref().err().cloned())?;
            for (name, place) in tls(&args.tls, &settings.server.public_names, edge.ok().flatten()) {
                report.say([certificate::served(&place, &name).await])?;
            }
        }
        if let Some(file) = &args.certificate {
            report.say([certificate::filed(file, settings.server.public_names.first().map(String::as_str))])?;
        }
        if engine && !args.quick {
            for image in door::images(settings) {
                let finding = door::prove(settings, &context.environment, image.as_deref()).await;
                report.say([finding])?;
            }
        }
    }
    let worst = report.findings.iter().map(|finding| finding.result).max().unwrap_or(Verdict::Ok);
    if args.json {
        output::json(&report.findings)?;
    } else {
        output::line("")?;
        output::line(match worst {
            Verdict::Ok => "Everything is as it should be: start with `strawboss serve`.",
            Verdict::Warn => "Nothing is in the way; look at what says WARN.",
            Verdict::Fail => "Something is in the way: mend what says FAIL, and look again.",
        })?;
    }
    Ok(if worst == Verdict::Fail { ExitStatus::Failure } else { ExitStatus::Success })
}

/// Names that people use, and where each is reached: at an address of its own, else at the edge's, else by the name.
fn tls(named: &[String], public: &[String], edge: Option<&str>) -> Vec<(String, String)> {
    // An address of IPv6 has colons and no port.
    let port = |text: &str| text.contains(':') && text.parse::<IpAddr>().is_err();
    let bare = |text: &str| if port(text) { text.split(':').next().unwrap_or(text).to_owned() } else { text.to_owned() };
    if named.is_empty() {
        return public.iter().map(|text| (bare(text), edge.unwrap_or(text).to_owned())).collect();
    }
    let place = |text: &String| match text.split_once('=') {
        Some((name, place)) => (bare(name), place.to_owned()),
        None if port(text) => (bare(text), text.clone()),
        None => (text.clone(), edge.unwrap_or(text).to_owned()),
    };
    named.iter().map(place).collect()
}

fn configured(config: &Config) -> Vec<Finding> {
    let mut found = vec![Finding::ok("configuration", config.file.display().to_string())];
    for warning in config.report.warnings() {
        found.push(Finding::warn("configuration", &warning.message, warning.hint.as_deref().unwrap_or("Look at that line.")));
    }
    found
}

fn misconfigured(error: &ConfigError) -> Finding {
    let fix = match error {
        ConfigError::NoFile { .. } => "Run `strawboss init` in your repository's folder.",
        ConfigError::Unreadable { .. } => "Correct that, or name another file with `--config`.",
        ConfigError::Wrong(_) => "Correct what is underlined; the rest is looked at when it can be read.",
    };
    Finding::fail("configuration", error.to_string(), fix)
}

#[cfg(test)]
mod tests {
    use super::{Finding, line};

    #[test]
    fn a_certificate_is_looked_for_where_people_reach_the_service() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let pair = |name: &str, place: &str| (name.to_owned(), place.to_owned());
        let public = texts(&["crew.example.org", "::1"]);
        assert_eq!(super::tls(&[], &public, None), [pair("crew.example.org", "crew.example.org"), pair("::1", "::1")]);
        let at_edge = [pair("crew.example.org", "edge:8443"), pair("::1", "edge:8443")];
        assert_eq!(super::tls(&[], &public, Some("edge:8443")), at_edge);
        let named = texts(&["a.example.org:8443", "b.example.org=there:443", "c.example.org"]);
        let own = [pair("a.example.org", "a.example.org:8443"), pair("b.example.org", "there:443")];
        for (edge, last) in [(None, "c.example.org"), (Some("edge:8443"), "edge:8443")] {
            let found = super::tls(&named, &public, edge);
            assert_eq!((&found[..2], &found[2..]), (&own[..], &[pair("c.example.org", last)][..]));
        }
    }

    #[test]
    fn a_finding_says_what_is_wrong_and_how_to_mend_it() {
        let finding = Finding::fail("git", "version 2.20\nis too old\u{7}", "Install a newer one.");
        assert_eq!(line(&finding, false), "FAIL git: version 2.20\n     is too old\u{fffd}\n     → Install a newer one.");
        assert_eq!(line(&Finding::ok("git", "2.39"), false), "OK   git: 2.39");
    }
}
