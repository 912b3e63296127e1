//! Who sits at the table: organisations and members.

use async_graphql::resolver_utils::EnumType;
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tavolo_schema::{Member, Organisation, OrganisationKind, Role, contract_name, id::OrganisationId};
use tavolo_store::StoreError;

use crate::{
    command::{DatabaseArgs, Failure, print},
    system_clock,
};

/// Changes of the roster.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Give a subject its membership, replacing an earlier one.
    Add {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The subject (`sub`) of the member's tokens.
        #[arg(long)]
        subject: String,
        /// The part played at the table.
        #[arg(long, value_parser = one_of(all::<Role>().filter(|role| *role != Role::Public)))]
        role: Role,
        /// Tax code of the organisation it is played for.
        #[arg(long)]
        organisation: String,
    },
    /// End a membership. Open subscriptions end within a second.
    Remove {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The subject.
        #[arg(long)]
        subject: String,
    },
    /// Print every member.
    List {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// An organisation to be registered.
#[derive(Debug, Args)]
pub struct OrganisationArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Official name.
    #[arg(long)]
    name: String,
    /// What it is.
    #[arg(long, value_parser = one_of(all::<OrganisationKind>()))]
    kind: OrganisationKind,
    /// Tax code or VAT number, 11 digits.
    #[arg(long)]
    tax_code: String,
    /// ISTAT code, when it is a municipality.
    #[arg(long)]
    municipality: Option<String>,
}

/// Reads one of these values of an enum of the contract, such as `central-service`.
fn one_of<T: EnumType + Send + Sync>(values: impl IntoIterator<Item = T>) -> impl TypedValueParser<Value = T> {
    let name = |value: T| contract_name(value).to_lowercase().replace('_', "-");
    let values: Vec<T> = values.into_iter().collect();
    let names: Vec<String> = values.iter().copied().map(name).collect();
    PossibleValuesParser::new(names)
        .map(move |given| values.iter().copied().find(|value| name(*value) == given).expect("a possible value"))
}

/// Every value of an enum of the contract.
fn all<T: EnumType>() -> impl Iterator<Item = T> {
    T::items().iter().map(|item| item.value)
}

pub(super) async fn member(command: MemberCommand) -> Result<(), Failure> {
    match command {
        MemberCommand::Add { database, subject, role, organisation } => {
            let store = database.open().await?;
            let found = store.organisation_by_tax_code(&organisation).await?;
            let found = found.ok_or(format!("there is no organisation with tax code {organisation}"))?;
            Ok(store.put_member(&Member { subject, role, organisation: found.id }).await?)
        }
        MemberCommand::Remove { database, subject } => {
            let removed = database.open().await?.remove_member(&subject).await?;
            if removed { Ok(()) } else { Err(format!("{subject} is no member").into()) }
        }
        MemberCommand::List { database } => {
            for member in database.open().await?.members().await? {
                let role = contract_name(member.role);
                print(&format!("{}\t{role}\t{}\n", member.subject, member.organisation))?;
            }
            Ok(())
        }
    }
}

pub(super) async fn organisation(args: OrganisationArgs) -> Result<(), Failure> {
    if tavolo_schema::tax_code::TaxCode::parse(&args.tax_code).is_none() {
        return Err(format!("{} is no valid tax code", args.tax_code).into());
    }
    let store = args.database.open().await?;
    if let Some(code) = &args.municipality
        && store.municipality(code).await?.is_none()
    {
        return Err(format!("there is no municipality {code}").into());
    }
    let id = OrganisationId::fresh(system_clock().now());
    let organisation = Organisation {
        id,
        name: args.name,
        kind: args.kind,
        tax_code: Some(args.tax_code.clone()),
        municipality: args.municipality,
        revision: 1,
    };
    let registered = format!("an organisation with tax code {} is already registered", args.tax_code);
    match store.add_organisations(&[organisation]).await {
        Err(StoreError::Duplicate) => return Err(registered.into()),
        outcome => outcome?,
    }
    print(&format!("{id}\n"))
}
