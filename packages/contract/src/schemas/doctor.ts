import { z } from 'zod';
import { hiveIdSchema } from '../ids.ts';
import { failureSchema, secondsSchema } from './shared-schemas.ts';

/** The checks of a hive, in the order of its response. */
export const HIVE_CHECKS = [
  'dns',
  'proxy',
  'tls',
  'clock',
  'token',
  'hub',
  'range',
  'speed',
  'disk_space',
  'disk_speed',
  'store',
] as const;
export type HiveCheck = (typeof HIVE_CHECKS)[number];

/** `warning`: it works, but something is wrong; `skipped`: it could not be tested, or does not apply. */
const checkStatusSchema = z.enum(['ok', 'warning', 'failed', 'skipped']);
export type CheckStatus = z.infer<typeof checkStatusSchema>;

/** The result of one check, and what to do if it failed. */
export const doctorCheckSchema = z.object({
  /** One of `HIVE_CHECKS`, or another one of a daemon with a different version. */
  check: z.string(),
  status: checkStatusSchema,
  /** The finding, for people; never a token or a signed URL. */
  message: z.string(),
  /** What to do. */
  hint: z.string().optional(),
  duration_secs: secondsSchema,
});
export type DoctorCheck = z.infer<typeof doctorCheckSchema>;

export const hiveDoctorSchema = z.object({ hive_id: hiveIdSchema, checks: z.array(doctorCheckSchema) });
export type HiveDoctor = z.infer<typeof hiveDoctorSchema>;

/** The checks of a queen's hives. Each hive has either `checks` or, if it could not be reached, `error`. */
export const fleetDoctorSchema = z.object({
  hives: z.array(
    z.object({
      hive_id: hiveIdSchema,
      online: z.boolean(),
      checks: z.array(doctorCheckSchema).optional(),
      error: failureSchema.optional(),
    }),
  ),
});
export type FleetDoctor = z.infer<typeof fleetDoctorSchema>;
