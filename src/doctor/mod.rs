//! `tavolo doctor`: whether a hub can run here, and what to do where it cannot.
//!
//! It takes the flags of `tavolo serve`, so that what it looks at is what the hub would use. It changes nothing: no
//! migration, no document, no file. Each check ends in one [`Finding`]; what would only repeat another is left out.

mod database;
mod machine;

use clap::Args;
use serde::Serialize;

use crate::{
    cli::serve::ServeArgs,
    command::{Failure, print},
    system_clock,
};

/// What to look at, and how to tell.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Tell the findings as JSON.
    #[arg(long, env = "TAVOLO_DOCTOR_JSON")]
    json: bool,
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What a check found, and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: Some(advice) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: Some(advice) }
    }

    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        let advice = self.advice.map(|advice| format!("{:20}→ {advice}\n", "")).unwrap_or_default();
        format!("{verdict:4}  {:14}{}\n{advice}", self.check, self.found)
    }
}

pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let DoctorArgs { serve, json } = args;
    let mut findings = database::examine(&serve.database.settings(), &serve.key, &system_clock()).await;
    findings.push(machine::keys(serve.key_source()).await);
    findings.extend(serve.key_source().map(|_| machine::tokens(&serve.tokens)));
    findings.push(machine::address(serve.listen).await);
    findings.extend(machine::disks());
    findings.push(machine::open_files());
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&findings)?))?;
    } else {
        print(&findings.iter().map(Finding::line).collect::<String>())?;
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        1 => Err("1 check failed".into()),
        failed => Err(format!("{failed} checks failed").into()),
    }
}

/// Bytes as a person reads them.
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
