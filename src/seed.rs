//! `tavolo seed`: a database at scale, its books right to the last entry.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tavolo_schema::{
    Accreditation, AccreditationStatus, Actor, CategoryPlaces, Clock, DateTime, ExitReason, Facility, FacilityType,
    Grant, Guest, OccupancyCause, Organisation, PlaceCategory, Pool, Stay, StayStatus,
    guest::RegisterGuestInput,
    id::{AccreditationId, ActId, FacilityId, GuestId, HouseholdId},
    ledger::{Change, Entering},
};
use tavolo_store::{Store, seed::Batch};

use crate::{
    command::{DatabaseArgs, Failure, print},
    invent::Inventor,
    key_file::KeyArgs,
    system_clock,
    world::World,
};

/// How much to invent.
#[derive(Debug, Args)]
pub struct SeedArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Facilities to invent.
    #[arg(long, env = "TAVOLO_SEED_FACILITIES", default_value_t = 200)]
    facilities: usize,
    /// Guests to invent.
    #[arg(long, env = "TAVOLO_SEED_GUESTS", default_value_t = 2_000)]
    guests: usize,
    /// Add to a database that holds organisations or facilities already.
    #[arg(long, env = "TAVOLO_SEED_ADD")]
    add: bool,
    /// The same number invents the same things.
    #[arg(long, env = "TAVOLO_SEED", default_value_t = 1)]
    seed: u64,
}

/// Facilities written at once.
const CHUNK: usize = 250;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

pub(crate) async fn run(args: SeedArgs) -> Result<(), Failure> {
    let store = args.database.open().await?;
    if !args.add && !store.is_empty().await? {
        let name = &args.database.database;
        return Err(format!("database {name} is not empty: say --add to put invented people into it").into());
    }
    let store = args.key.unlock(store).await?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} guests, {elapsed}")?;
    let bar = ProgressBar::new(args.guests as u64).with_style(style);
    fill(&store, &system_clock(), &args.into(), |guests| bar.inc(guests as u64)).await?;
    bar.finish();
    print("done\n")
}

/// How much to invent, without where.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Facilities.
    pub facilities: usize,
    /// Guests.
    pub guests: usize,
    /// Seed of the randomness.
    pub seed: u64,
}

impl From<SeedArgs> for Scale {
    fn from(args: SeedArgs) -> Self {
        Self { facilities: args.facilities, guests: args.guests, seed: args.seed }
    }
}

/// Fills a database, telling `progress` how many guests each step has added.
///
/// # Errors
///
/// When the database does not accept it.
pub async fn fill(
    store: &Store,
    clock: &Clock,
    scale: &Scale,
    progress: impl Fn(usize),
) -> Result<(), tavolo_store::StoreError> {
    let now = clock.now();
    let operators = (scale.facilities / 20).clamp(5, 500);
    let mut inventor = Inventor::new(scale.seed);
    let world = World::prepare(store, &mut inventor, operators, now).await?;
    let mut numbers = 0..scale.facilities;
    let mut guests_left = scale.guests;
    while !numbers.is_empty() {
        let act = ActId::fresh(now);
        let mut builder = Builder { inventor: &mut inventor, world: &world, batch: Batch::default(), act, now };
        let facilities_left = numbers.len();
        let mut placed = 0;
        for (done, number) in numbers.by_ref().take(CHUNK).enumerate() {
            let here = (guests_left - placed).div_ceil(facilities_left - done);
            builder.facility(number, here);
            placed += here;
        }
        guests_left -= placed;
        store.insert_batch(builder.batch, act, now).await?;
        progress(placed);
    }
    Ok(())
}

/// Builds one batch.
struct Builder<'b> {
    inventor: &'b mut Inventor,
    world: &'b World,
    batch: Batch,
    act: ActId,
    now: DateTime,
}

impl Builder<'_> {
    fn before(&self, millis: i64) -> DateTime {
        DateTime::from_millis(self.now.millis() - millis).unwrap_or(self.now)
    }

    fn facility(&mut self, number: usize, guests: usize) {
        let (category, facility_type) = match number % 10 {
            7 => (PlaceCategory::UnaccompaniedMinor, FacilityType::MinorsCommunity),
            9 => (PlaceCategory::MentalHealthOrDisability, FacilityType::HealthCommunity),
            _ => (PlaceCategory::Ordinary, FacilityType::Apartment),
        };
        let places = i32::try_from(guests).unwrap_or(i32::MAX).saturating_mul(5) / 4 + 4;
        let rooms = self.inventor.rooms(places);
        let (street, civic_number) = self.inventor.street();
        let municipality = &self.world.municipalities[number % self.world.municipalities.len()];
        let operator = &self.world.operators[number % self.world.operators.len()];
        let holder = &self.world.province;
        let facility = Facility {
            id: FacilityId::fresh(self.now),
            code: String::new(),
            name: self.inventor.house(number),
            facility_type,
            municipality: municipality.istat_code.clone(),
            address: tavolo_schema::Address {
                street,
                number: civic_number,
                postal_code: municipality.postal_code.clone(),
            },
            operator: operator.id,
            holder: holder.id,
            project_code: None,
            rooms,
            bathrooms: Some(places / 6 + 1),
            barrier_free: number.is_multiple_of(3),
            revision: 1,
        };
        let mut pool = Pool::empty(facility.id, category, self.before(400 * DAY));
        self.open(&mut pool, places, holder);
        for guest in 0..guests {
            // Arrivals are spread over the last 300 days, in order.
            let arrived =
                300 * DAY - 290 * DAY * i64::try_from(guest).unwrap_or(0) / i64::try_from(guests).unwrap_or(1);
            self.guest(&mut pool, (operator, holder), arrived);
        }
        self.batch.pools.push(pool);
        self.batch.facilities.push(facility);
    }

    /// Installs and accredits the places.
    fn open(&mut self, pool: &mut Pool, places: i32, holder: &Organisation) {
        let (opened, accredited) = (self.before(360 * DAY), self.before(350 * DAY));
        let id = AccreditationId::fresh(accredited);
        let valid_from = accredited.day();
        let valid_until = valid_from.plus_months(36).plus_days(-1);
        pool.installed = places;
        self.enter(pool, Change::new(OccupancyCause::PlacesInstalled, opened), holder);
        pool.grants.push(Grant { accreditation: id, places, valid_from, valid_until });
        let change =
            Change { accreditation: Some(id), ..Change::new(OccupancyCause::AccreditationGranted, accredited) };
        self.enter(pool, change, holder);
        let granted = vec![CategoryPlaces { category: pool.category, places }];
        self.batch.accreditations.push(Accreditation {
            id,
            facility: pool.facility,
            status: AccreditationStatus::Accredited,
            requested: granted.clone(),
            granted,
            valid_from: Some(valid_from),
            valid_until: Some(valid_until),
            submitted_at: Some(opened),
            decided_at: Some(accredited),
            act_number: None,
            reason: None,
            revision: 1,
        });
    }

    fn guest(&mut self, pool: &mut Pool, (operator, holder): (&Organisation, &Organisation), arrived: i64) {
        let entry_at = self.before(arrived);
        let person = self.inventor.person(pool.category, self.now.day());
        let mut guest = file(person, operator, entry_at);
        let mut stay = Stay::begun(guest.id, pool, operator.id, entry_at, entry_at);
        pool.occupied += 1;
        let of_stay = |cause, at| Change { stay: Some(stay.id), ..Change::new(cause, at) };
        let (admission, discharge) =
            (of_stay(OccupancyCause::Admission, entry_at), of_stay(OccupancyCause::Discharge, entry_at));
        self.enter(pool, admission, operator);
        if self.inventor.chance(10) {
            let exit_at = self.before(arrived - DAY);
            pool.occupied -= 1;
            self.enter(pool, Change { occurred_at: exit_at, ..discharge }, operator);
            stay.status = StayStatus::Closed;
            stay.exit_at = Some(exit_at);
            stay.exit_reason = Some(ExitReason::SocioEconomicIntegration);
            guest.leave(exit_at);
        } else {
            guest.facility = Some(pool.facility);
            guest.holder = Some(holder.id);
        }
        self.batch.guests.push(guest);
        self.batch.stays.push(stay);
    }

    fn enter(&mut self, pool: &mut Pool, change: Change, organisation: &Organisation) {
        let actor = Actor { organisation: Some(organisation.id), ..Actor::system() };
        let entering = Entering { act: self.act, actor: &actor, now: change.occurred_at };
        self.batch.ledger.extend(pool.enter(change, entering));
    }
}

fn file(person: RegisterGuestInput, operator: &Organisation, at: DateTime) -> Guest {
    Guest {
        id: GuestId::fresh(at),
        surname: person.surname,
        given_names: person.given_names,
        sex: person.sex,
        birth_date: person.birth_date,
        birth_date_precision: person.birth_date_precision,
        citizenships: person.citizenships,
        languages: person.languages,
        legal_status: person.legal_status,
        unaccompanied_minor: person.unaccompanied_minor,
        special_need_documented: person.special_need_documented,
        tax_code: person.tax_code,
        cui_code: None,
        vestanet_code: None,
        household: HouseholdId::fresh(at),
        household_role: Default::default(),
        custodian: operator.id,
        facility: None,
        holder: None,
        left_at: None,
        former_keepers: Vec::new(),
        as_of: None,
        registered_at: at,
    }
}
