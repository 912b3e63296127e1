//! Who is at the table of a demonstration: the public bodies, invented operators, and a member for each role.

use tavolo_schema::{DateTime, Member, Municipality, Organisation, OrganisationKind, Role, id::OrganisationId};
use tavolo_store::{Store, StoreError};

use crate::invent::Inventor;

/// The bodies and members of a demonstration.
#[derive(Debug)]
pub struct World {
    /// The Province.
    pub province: Organisation,
    /// The municipalities as organisations, those that hold projects among them.
    pub authorities: Vec<Organisation>,
    /// The invented managing bodies.
    pub operators: Vec<Organisation>,
    /// A member for each role, and one for each operator.
    pub members: Vec<Member>,
    /// The municipalities of the reference data.
    pub municipalities: Vec<Municipality>,
}

/// Public bodies whose tax code is published.
const KNOWN_TAX_CODES: [(&str, &str); 3] = [
    ("Provincia di Crotone", "91006950793"),
    ("Comune di Crotone", "81000250795"),
    ("Prefettura di Crotone", "91011070793"),
];

impl World {
    /// Brings everybody to the table, or finds them there from an earlier time.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn prepare(
        store: &Store,
        inventor: &mut Inventor,
        operators: usize,
        now: DateTime,
    ) -> Result<Self, StoreError> {
        let snapshot = store.snapshot().await?;
        let mut bodies = snapshot.organisations;
        let fresh: Vec<Organisation> = wanted(&snapshot.municipalities, inventor, operators, now)
            .into_iter()
            .filter(|wanted| bodies.iter().all(|there| there.name != wanted.name))
            .collect();
        store.add_organisations(&fresh).await?;
        bodies.extend(fresh);
        let members = members(&bodies);
        for member in &members {
            store.put_member(member).await?;
        }
        let of_kind = |kind| bodies.iter().filter(move |body| body.kind == kind);
        let provinces: Vec<_> = of_kind(OrganisationKind::Province).collect();
        let [province, ..] = provinces.as_slice() else {
            return Err(StoreError::ReferenceData("there is no province".into()));
        };
        Ok(Self {
            province: (*province).clone(),
            authorities: of_kind(OrganisationKind::Municipality).cloned().collect(),
            operators: of_kind(OrganisationKind::ManagingBody).cloned().collect(),
            members,
            municipalities: snapshot.municipalities,
        })
    }

    /// The member who acts for an organisation.
    #[must_use]
    pub fn member_of(&self, organisation: OrganisationId) -> Option<&Member> {
        self.members.iter().find(|member| member.organisation == organisation)
    }
}

fn wanted(
    municipalities: &[Municipality],
    inventor: &mut Inventor,
    operators: usize,
    now: DateTime,
) -> Vec<Organisation> {
    let body = |name: &str, kind, municipality: Option<&str>| Organisation {
        id: OrganisationId::fresh(now),
        name: name.into(),
        kind,
        tax_code: KNOWN_TAX_CODES.iter().find(|(known, _)| *known == name).map(|(_, code)| (*code).into()),
        municipality: municipality.map(Into::into),
        revision: 1,
    };
    let mut bodies = vec![
        body("Provincia di Crotone", OrganisationKind::Province, None),
        body("Prefettura di Crotone", OrganisationKind::Prefecture, None),
        body("Servizio centrale", OrganisationKind::CentralService, None),
        body("ASP Crotone", OrganisationKind::HealthAuthority, None),
        body("Questura di Crotone", OrganisationKind::PoliceHeadquarters, None),
    ];
    bodies.extend(municipalities.iter().map(|municipality| {
        let name = format!("Comune di {}", municipality.name);
        body(&name, OrganisationKind::Municipality, Some(&municipality.istat_code))
    }));
    bodies.extend((0..operators).map(|number| inventor.operator(number, now)));
    bodies
}

fn members(bodies: &[Organisation]) -> Vec<Member> {
    let mut members = Vec::new();
    for body in bodies {
        let role = match body.kind {
            OrganisationKind::Province => Role::Province,
            OrganisationKind::Prefecture => Role::Prefecture,
            OrganisationKind::CentralService => Role::CentralService,
            OrganisationKind::ManagingBody => Role::Operator,
            // Crotone (101010) holds projects of its own, so its member sees more than another municipality's.
            OrganisationKind::Municipality if body.municipality.as_deref() == Some("101010") => Role::Municipality,
            _ => continue,
        };
        let number = members.iter().filter(|member: &&Member| member.role == role).count() + 1;
        let subject = format!("demo-{}-{number}", tavolo_schema::contract_name(role).to_lowercase());
        members.push(Member { subject, role, organisation: body.id });
        if role == Role::Province {
            members.push(Member { subject: "demo-analyst-1".into(), role: Role::Analyst, organisation: body.id });
        }
    }
    members
}
