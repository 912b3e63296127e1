/**
 * What the documents beside this file are answered with, no wider than they ask. A test holds the documents
 * against the contract; these types say the same to the compiler.
 */

export type Category = "ORDINARY" | "UNACCOMPANIED_MINOR" | "MENTAL_HEALTH_OR_DISABILITY";

/**
 * How exactly the people among some places are told to the viewer: as they are; as they were at the end of the day
 * before; now, as multiples of five; at the end of the day before, as multiples of ten; not at all.
 */
export type Precision = "EXACT" | "DAY_BEFORE" | "ROUNDED" | "BANDED" | "WITHHELD";

/** How many places there are is told to everybody as it is. */
export interface Places {
  accredited: number;
  installed: number;
  blocked: number;
  allocable: number;
  /** Null, like the three that follow, when it is not told. */
  occupied: number | null;
  reserved: number | null;
  free: number | null;
  overCapacity: number | null;
  /** occupied / allocable; null when nothing is allocable, or when it is not told. */
  occupancyRate: number | null;
  precision: Precision;
}

export interface Municipality {
  istatCode: string;
  name: string;
}

/** What a message is: the state, the state anew (forget what you knew), or a change. */
export type Kind = "CURRENT" | "RESYNC" | "CHANGED";

export interface ViewerAnswer {
  viewer: {
    role: Role;
    organisation: { name: string } | null;
    sight: { classes: string[] }[];
  };
}

export type Role = "PROVINCE" | "OPERATOR" | "MUNICIPALITY" | "PREFECTURE" | "CENTRAL_SERVICE" | "ANALYST" | "PUBLIC";

export type Grouping = "PROVINCE" | "CATEGORY" | "MUNICIPALITY";

export interface Totals {
  municipality: Municipality | null;
  category: Category | null;
  facilities: number;
  capacity: Places;
}

export interface TotalsMessage {
  totalsChanged: { kind: Kind; asOf: string; groups: Totals[] };
}

export type AccreditationStatus =
  "DRAFT" | "SUBMITTED" | "ACCREDITED" | "REJECTED" | "SUSPENDED" | "REVOKED" | "EXPIRED";

export interface Accreditation {
  status: AccreditationStatus;
  /** Days, such as `2026-11-23`. */
  validFrom: string | null;
  validUntil: string | null;
}

export interface Facility {
  id: string;
  code: string;
  name: string;
  municipality: Municipality | null;
  occupancy: Places;
  /** The latest first. */
  accreditations: Accreditation[];
}

export type Cause =
  | "PLACES_INSTALLED"
  | "PLACES_BLOCKED"
  | "PLACES_UNBLOCKED"
  | "BLOCK_BEGAN"
  | "BLOCK_ENDED"
  | "ACCREDITATION_GRANTED"
  | "ACCREDITATION_BEGAN"
  | "ACCREDITATION_SUSPENDED"
  | "ACCREDITATION_REVOKED"
  | "ACCREDITATION_EXPIRED"
  | "ADMISSION"
  | "DISCHARGE"
  | "CORRECTION";

export type PoolPlaces = Omit<Places, "allocable" | "overCapacity" | "occupancyRate">;

export interface FacilityMessage {
  occupancyChanged: {
    cursor: string;
    kind: Kind;
    /** Null for a state, and for what a whole day has changed. */
    cause: Cause | null;
    occurredAt: string;
    category: Category;
    capacity: PoolPlaces;
    facility: Facility;
  };
}

export interface FacilityAnswer {
  facility: FacilityDetails | null;
}

export interface FacilityDetails {
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
  rooms: { letter: string; beds: number; squareMetres: number }[];
  capacity: (Places & { category: Category; blocks: Block[] })[];
  accreditations: (Accreditation & { actNumber: string | null })[];
  irregularities: { code: string; severity: "BLOCK" | "WARN"; message: string; legalReference: string }[];
}

export type FacilityType =
  "APARTMENT" | "COLLECTIVE_CENTRE" | "MINORS_COMMUNITY" | "MINORS_SEMI_AUTONOMY" | "HEALTH_COMMUNITY" | "FAMILY_HOME";

export interface Block {
  places: number;
  reason: BlockReason;
  from: string;
  until: string | null;
}

export type BlockReason = "DAMAGE" | "WORKS" | "HYGIENE" | "MORE_ROOM_NEEDED" | "STAFFING" | "OTHER";

export type HistoryStep = "HOUR" | "DAY" | "WEEK" | "MONTH";

export interface HistoryAnswer {
  /** Null when the viewer sees none of these places. */
  occupancyHistory: HistoryPoint[] | null;
}

export interface HistoryPoint {
  at: string;
  capacity: Pick<Places, "allocable" | "occupied" | "precision">;
}
