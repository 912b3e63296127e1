/** Made by `npm run types` from schema/schema.graphql and the documents beside this file. */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends " $fragmentName" | "__typename" ? T[P] : never };
/** Where an accreditation stands. */
export type AccreditationStatus =
  /** Being written. */
  | "DRAFT"
  /** Handed in, waiting for the decision. */
  | "SUBMITTED"
  /** In force within its validity. */
  | "ACCREDITED"
  /** Refused. */
  | "REJECTED"
  /** No new arrivals; guests stay. */
  | "SUSPENDED"
  /** Ended for good. */
  | "REVOKED"
  /** Its last day has passed. */
  | "EXPIRED";

/** Why places are out of service. */
export type BlockReason =
  /** The building or a room is damaged. */
  | "DAMAGE"
  /** Planned works. */
  | "WORKS"
  /** Hygiene measure or isolation. */
  | "HYGIENE"
  /** A guest or household needs more room. */
  | "MORE_ROOM_NEEDED"
  /** Staff is missing. */
  | "STAFFING"
  /** Another reason, told in the note. */
  | "OTHER";

/** How sensitive a field is. The least sensitive class comes first. */
export type DataClass =
  /** Anybody may know it: organisations, municipalities, totals by municipality and category. */
  | "PUBLIC"
  /** The working data of one facility: name, rooms, accreditation, places, occupancy. */
  | "OPERATIONAL"
  /** Where a facility is. */
  | "ADDRESS"
  /** That somebody stays in a facility, from when to when, without saying who. */
  | "PRESENCE"
  /** Who a person is: name, birth, citizenship, codes, household, languages. */
  | "IDENTITY"
  /** A person's legal status and asylum procedure. */
  | "LEGAL"
  /** Health, vulnerability and documented special needs. */
  | "SENSITIVE"
  /** That a guest's file was looked at for somebody who does not see it: by whom, when, and what was told. */
  | "LOOKUP"
  /** An act. Who may perform it follows from the table of acts. */
  | "ACT";

/** What kind of building and service a facility is. */
export type FacilityType =
  /** Appartamento. */
  | "APARTMENT"
  /** Centro collettivo. */
  | "COLLECTIVE_CENTRE"
  /** Comunità per minori. */
  | "MINORS_COMMUNITY"
  /** Semi-autonomia per neomaggiorenni. */
  | "MINORS_SEMI_AUTONOMY"
  /** Comunità per disagio mentale o sanitario. */
  | "HEALTH_COMMUNITY"
  /** Casa-famiglia. */
  | "FAMILY_HOME";

/** How far the points of a history are apart. Days, weeks and months are those of the calendar in Europe/Rome. */
export type HistoryStep =
  /** An hour. The day on which the clocks go back has 25. */
  | "HOUR"
  /** A day, from midnight to midnight in Europe/Rome. */
  | "DAY"
  /** A week, from Monday to Sunday. */
  | "WEEK"
  /** A calendar month. */
  | "MONTH";

/** Every irregularity Tavolo can find. The set is closed: a client may switch on it. */
export type IrregularityCode =
  /** A required text is empty. */
  | "TEXT_MISSING"
  /** A number is outside its range. */
  | "NUMBER_OUT_OF_RANGE"
  /** The period ends before it begins. */
  | "PERIOD_REVERSED"
  /** The date lies in the future. */
  | "DATE_IN_FUTURE"
  /** The record was changed since it was read. */
  | "STALE_REVISION"
  /** Counters, ledger and open stays of these places do not agree, so nothing is entered about them. */
  | "BOOKS_DISAGREE"
  /** There is no such municipality in the province. */
  | "UNKNOWN_MUNICIPALITY"
  /** The postal code is not one of the municipality. */
  | "POSTAL_CODE_MISMATCH"
  /** There is no such organisation. */
  | "UNKNOWN_ORGANISATION"
  /** The organisation cannot play this part. */
  | "WRONG_ORGANISATION_KIND"
  /** There is no such facility. */
  | "UNKNOWN_FACILITY"
  /** A facility with this address is already registered. */
  | "SAME_ADDRESS"
  /** Two rooms have the same letter. */
  | "DUPLICATE_ROOM"
  /** A room has less than 4 square metres for each bed. */
  | "ROOM_TOO_SMALL"
  /** A room is below the national housing measure. */
  | "ROOM_BELOW_HOUSING_STANDARD"
  /** A room has more beds than the standard allows. */
  | "TOO_MANY_BEDS"
  /** More places than the beds of the declared rooms. */
  | "MORE_PLACES_THAN_BEDS"
  /** More places in one facility than the guidelines normally allow. */
  | "ABOVE_FACILITY_CAP"
  /** Fewer places than guests present or expected. */
  | "BELOW_OCCUPIED"
  /** With the blocks in force or to come, fewer places than guests present or expected. */
  | "BELOW_BLOCKED"
  /** More places blocked than are installed. */
  | "BLOCK_EXCEEDS_INSTALLED"
  /** There is no such block in force. */
  | "UNKNOWN_BLOCK"
  /** There is no such accreditation. */
  | "UNKNOWN_ACCREDITATION"
  /** The accreditation's state does not allow this act. */
  | "TRANSITION_NOT_ALLOWED"
  /** An accreditation asks for or grants no places. */
  | "NO_PLACES_REQUESTED"
  /** The same category is named twice. */
  | "DUPLICATE_CATEGORY"
  /** More places are granted or requested than are installed. */
  | "MORE_PLACES_THAN_INSTALLED"
  /** A decision needs its reason. */
  | "REASON_MISSING"
  /** The tax code is malformed or its check character is wrong. */
  | "TAX_CODE_INVALID"
  /** The tax code does not agree with birth date or sex. */
  | "TAX_CODE_MISMATCH"
  /** The country code is not in ISO 3166-1. */
  | "UNKNOWN_COUNTRY"
  /** No citizenship is given; statelessness is XXA, unknown is XXX. */
  | "CITIZENSHIP_MISSING"
  /** An Italian citizen is registered as a guest. */
  | "ITALIAN_CITIZEN"
  /** The language code has not the shape of ISO 639-3. */
  | "UNKNOWN_LANGUAGE"
  /** The birth date gives an age above 110 years. */
  | "AGE_IMPLAUSIBLE"
  /** A person is registered as an unaccompanied minor only under eighteen, or within six months after. */
  | "NOT_A_MINOR"
  /** A person with the same tax code, CUI or Vestanet code is registered. */
  | "DUPLICATE_PERSON"
  /** A person with the same name, birth date and citizenship is registered. */
  | "POSSIBLE_DUPLICATE"
  /** The looks at files out of sight that a member, or its organisation, may take in a day are used up. */
  | "LOOKUPS_EXHAUSTED"
  /** There is no such household. */
  | "UNKNOWN_HOUSEHOLD"
  /** There is no such guest, or none that the member may admit. */
  | "UNKNOWN_GUEST"
  /** The guest already has an open stay. */
  | "GUEST_ALREADY_HOSTED"
  /** No accreditation is in force on the day for this category. */
  | "NO_ACCREDITATION_IN_FORCE"
  /** Every place that can be allocated is taken. */
  | "NO_FREE_PLACE"
  /** The person does not belong in this category of place. */
  | "WRONG_CATEGORY"
  /** The stay overlaps an earlier one. */
  | "STAY_OVERLAPS"
  /** The entry is before the guest was born. */
  | "ENTRY_BEFORE_BIRTH"
  /** Entry or exit is registered later than three working days. */
  | "LATE_REGISTRATION"
  /** There is no such stay. */
  | "UNKNOWN_STAY"
  /** The stay is already closed. */
  | "STAY_ALREADY_CLOSED"
  /** The exit is before the entry. */
  | "EXIT_BEFORE_ENTRY"
  /** More guests are present or expected than places can be allocated. */
  | "OVER_CAPACITY"
  /** Guests are present in a category without an accreditation in force. */
  | "HOSTING_WITHOUT_ACCREDITATION";

/** The language of a message to a person. */
export type Language =
  /** Italiano. */
  | "IT"
  /** English. */
  | "EN";

/** How exactly the people among some numbers are told. */
export type NumbersPrecision =
  /** As they are. */
  | "EXACT"
  /** As they were at the end of the day before. */
  | "DAY_BEFORE"
  /** As they are, as multiples of five; a change of one or two may not show. */
  | "ROUNDED"
  /** As they were at the end of the day before, as multiples of ten. */
  | "BANDED"
  /** Not at all: these numbers are null. */
  | "WITHHELD";

/** What changed a number about places. */
export type OccupancyCause =
  /** Places were installed or removed. */
  | "PLACES_INSTALLED"
  /** Places went out of service by an act. */
  | "PLACES_BLOCKED"
  /** Places came back into service by an act. */
  | "PLACES_UNBLOCKED"
  /** A block announced earlier began. */
  | "BLOCK_BEGAN"
  /** A block came to its last day. */
  | "BLOCK_ENDED"
  /** An accreditation was granted, or reinstated. */
  | "ACCREDITATION_GRANTED"
  /** An accreditation granted earlier came into force. */
  | "ACCREDITATION_BEGAN"
  /** An accreditation was suspended. */
  | "ACCREDITATION_SUSPENDED"
  /** An accreditation was revoked. */
  | "ACCREDITATION_REVOKED"
  /** An accreditation came to its last day. */
  | "ACCREDITATION_EXPIRED"
  /** A guest arrived. */
  | "ADMISSION"
  /** A guest left. */
  | "DISCHARGE"
  /** The administrator made counters, ledger and stays agree again. */
  | "CORRECTION";

/** What a message of `occupancyChanged` is. */
export type OccupancyEventKind =
  /** The state at the beginning. */
  | "CURRENT"
  /**
   * The state anew, because the hub does not know any more what you have missed: you came back, or took your messages,
   * later than it keeps changes, or it had to begin anew. Forget what you knew.
   */
  | "RESYNC"
  /** A change. */
  | "CHANGED";

/** Which places are counted or watched. */
export type OccupancyFilter = {
  /** Of this facility. */
  facility?: string | null | undefined;
  /** In the municipality of this ISTAT code. */
  municipality?: string | null | undefined;
  /** Of facilities run by this organisation. */
  operator?: string | null | undefined;
  /** Of this category. */
  category?: PlaceCategory | null | undefined;
};

/** By what places are added up. */
export type OccupancyGrouping =
  /** By municipality. */
  | "MUNICIPALITY"
  /** By the organisation that runs the facility. */
  | "OPERATOR"
  /** By category of place. */
  | "CATEGORY"
  /** By facility. */
  | "FACILITY"
  /** All together. */
  | "PROVINCE";

/** The kind of place a project offers. Each project or lot has one. */
export type PlaceCategory =
  /** Ordinary places (ordinari). */
  | "ORDINARY"
  /** Places for unaccompanied minors (MSNA). */
  | "UNACCOMPANIED_MINOR"
  /** Places for people with mental distress, illness or disability (DM-DS). */
  | "MENTAL_HEALTH_OR_DISABILITY";

/** The part a member plays at the table. It comes from the membership in the database, never from the token. */
export type Role =
  /** The Province: keeps the register, accredits, sees every facility and guest of the territory. */
  | "PROVINCE"
  /** A managing body: sees and changes its own facilities and guests, and nobody else's. */
  | "OPERATOR"
  /** A municipality: sees the facilities on its territory, and the guests of the projects it holds. */
  | "MUNICIPALITY"
  /** The Prefecture: sees facilities, capacity and presences, without names. */
  | "PREFECTURE"
  /** The national Central Service: sees places, occupancy and beneficiaries; registers guests. */
  | "CENTRAL_SERVICE"
  /** An analyst: sees facilities and figures, no person and no address. */
  | "ANALYST"
  /** Anybody without a token: sees totals. */
  | "PUBLIC";

/** What an irregularity does to the entry. */
export type Severity =
  /** The entry is refused; nothing was written. */
  | "BLOCK"
  /** The entry is accepted and the irregularity is on record. */
  | "WARN";

export type FacilitiesSubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;

export type FacilitiesSubscription = {
  occupancyChanged: {
    cursor: string;
    kind: OccupancyEventKind;
    cause: OccupancyCause | null;
    occurredAt: string;
    category: PlaceCategory;
    capacity: {
      accredited: number;
      installed: number;
      blocked: number;
      occupied: number | null;
      reserved: number | null;
      free: number | null;
      precision: NumbersPrecision;
    };
    facility: {
      id: string;
      code: string;
      name: string;
      municipality: { istatCode: string; name: string } | null;
      occupancy: {
        accredited: number;
        installed: number;
        blocked: number;
        allocable: number;
        occupied: number | null;
        reserved: number | null;
        free: number | null;
        overCapacity: number | null;
        occupancyRate: number | null;
        precision: NumbersPrecision;
      };
      accreditation: { validUntil: string | null } | null;
      accreditations: Array<{ status: AccreditationStatus; validFrom: string | null; validUntil: string | null }>;
    };
  };
};

export type PlacesFragment = {
  accredited: number;
  installed: number;
  blocked: number;
  allocable: number;
  occupied: number | null;
  reserved: number | null;
  free: number | null;
  overCapacity: number | null;
  occupancyRate: number | null;
  precision: NumbersPrecision;
};

export type FacilityQueryVariables = Exact<{
  code: string;
  language: Language;
}>;

export type FacilityQuery = {
  facility: {
    id: string;
    code: string;
    name: string;
    type: FacilityType;
    projectCode: string | null;
    bathrooms: number | null;
    barrierFree: boolean;
    municipality: { name: string } | null;
    address: { street: string; number: string; postalCode: string } | null;
    operator: { name: string } | null;
    holder: { name: string } | null;
    rooms: Array<{ letter: string; beds: number; squareMetres: number }>;
    capacity: Array<{
      category: PlaceCategory;
      accredited: number;
      installed: number;
      blocked: number;
      allocable: number;
      occupied: number | null;
      reserved: number | null;
      free: number | null;
      overCapacity: number | null;
      occupancyRate: number | null;
      precision: NumbersPrecision;
      blocks: Array<{ places: number; reason: BlockReason; from: string; until: string | null }>;
    }>;
    accreditation: { validUntil: string | null } | null;
    accreditations: Array<{
      status: AccreditationStatus;
      validFrom: string | null;
      validUntil: string | null;
      actNumber: string | null;
    }>;
    irregularities: Array<{ code: IrregularityCode; severity: Severity; message: string; legalReference: string }>;
  } | null;
};

export type HistoryQueryVariables = Exact<{
  filter?: OccupancyFilter | null | undefined;
  from: string;
  to: string;
  every: HistoryStep;
}>;

export type HistoryQuery = {
  occupancyHistory: Array<{
    at: string;
    capacity: { allocable: number; occupied: number | null; precision: NumbersPrecision };
  }> | null;
};

export type TotalsSubscriptionVariables = Exact<{
  groupBy: OccupancyGrouping;
}>;

export type TotalsSubscription = {
  totalsChanged: {
    kind: OccupancyEventKind;
    asOf: string;
    groups: Array<{
      category: PlaceCategory | null;
      facilities: number;
      municipality: { istatCode: string; name: string } | null;
      capacity: {
        accredited: number;
        installed: number;
        blocked: number;
        allocable: number;
        occupied: number | null;
        reserved: number | null;
        free: number | null;
        overCapacity: number | null;
        occupancyRate: number | null;
        precision: NumbersPrecision;
      };
    }>;
  };
};

export type ViewerQueryVariables = Exact<{ [key: string]: never }>;

export type ViewerQuery = {
  viewer: { role: Role; organisation: { name: string } | null; sight: Array<{ classes: Array<DataClass> }> };
};
