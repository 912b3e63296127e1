//! `tavolo check` and `tavolo repair`: the books of the pools.

use clap::Args;
use tavolo_schema::{LedgerEntry, contract_name};
use tavolo_store::audit::{Audit, Discrepancy};

use crate::{
    command::{DatabaseArgs, Failure, print},
    system_clock,
};

/// What to repair.
#[derive(Debug, Args)]
pub struct RepairArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Enter the corrections; without it they are only shown.
    #[arg(long, env = "TAVOLO_REPAIR_WRITE")]
    write: bool,
}

pub(super) async fn check(args: &DatabaseArgs) -> Result<(), Failure> {
    let store = args.open().await?;
    let audit = store.audit(system_clock().now()).await?;
    if audit.pools == 0 && audit.discrepancies.is_empty() {
        return Err(format!("database {} has no places: there is nothing to check", store.name()).into());
    }
    audit.discrepancies.iter().try_for_each(tell)?;
    print(&summary(&audit))?;
    match audit.discrepancies.len() {
        0 => Ok(()),
        1 => Err("the books of 1 pool do not agree: see `tavolo repair`".into()),
        wrong => Err(format!("the books of {wrong} pools do not agree: see `tavolo repair`").into()),
    }
}

fn summary(audit: &Audit) -> String {
    format!("{} pools, {} ledger entries, {} open stays\n", audit.pools, audit.entries, audit.open_stays)
}

/// A pool as people know it.
fn named(wrong: &Discrepancy) -> String {
    let facility = wrong.code.clone().unwrap_or_else(|| wrong.facility.to_string());
    format!("{facility} {}", contract_name(wrong.category))
}

fn tell(wrong: &Discrepancy) -> Result<(), Failure> {
    let named = named(wrong);
    wrong.found.iter().try_for_each(|found| print(&format!("{named}: {found}\n")))
}

/// The entries of a correction, or that it needs none.
fn entries(wrong: &Discrepancy, entries: &[LedgerEntry]) -> Result<(), Failure> {
    let named = named(wrong);
    if entries.is_empty() {
        return print(&format!("{named}: the pool alone is corrected, the ledger is right\n"));
    }
    entries.iter().try_for_each(|entry| {
        let changes = entry.deltas.named().into_iter().filter(|(_, change)| *change != 0);
        let changes: Vec<String> = changes.map(|(name, change)| format!("{name} {change:+}")).collect();
        let changes = if changes.is_empty() { "no number".into() } else { changes.join(", ") };
        print(&format!("{named}: entry {} of the ledger corrects {changes}\n", entry.revision))
    })
}

pub(super) async fn repair(args: &RepairArgs) -> Result<(), Failure> {
    let store = args.database.open().await?;
    let clock = system_clock();
    let audit = store.audit(clock.now()).await?;
    let (known, unknown): (Vec<_>, Vec<_>) = audit.discrepancies.iter().partition(|wrong| wrong.code.is_some());
    for wrong in &unknown {
        print(&format!("{}: there is no such facility, and nothing to repair it with\n", named(wrong)))?;
    }
    for wrong in &known {
        tell(wrong)?;
        if args.write {
            entries(wrong, &store.repair(wrong.facility, wrong.category, clock.now()).await?)?;
        } else {
            entries(wrong, &wrong.correction)?;
        }
    }
    if !args.write && !known.is_empty() {
        return print("nothing was written: say --write to enter the corrections\n");
    }
    let after = store.audit(clock.now()).await?;
    print(&summary(&after))?;
    if after.discrepancies.is_empty() { Ok(()) } else { Err("some books do not agree yet: see `tavolo check`".into()) }
}
