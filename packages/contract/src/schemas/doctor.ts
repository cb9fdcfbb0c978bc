import { z } from 'zod';
import { hiveIdSchema } from '../ids.ts';
import { failureSchema, secondsSchema } from './shared-schemas.ts';

/** What a hive looks at, in the order in which it answers. */
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

/** `warning`: it works, but not as it should; `skipped`: it could not be tested, or there is nothing to test. */
const checkStatusSchema = z.enum(['ok', 'warning', 'failed', 'skipped']);
export type CheckStatus = z.infer<typeof checkStatusSchema>;

/** One thing that was looked at, and what to do where it is not as it should be. */
export const doctorCheckSchema = z.object({
  /** One of `HIVE_CHECKS`. A daemon of another version may have others, and its answer is read all the same. */
  check: z.string(),
  status: checkStatusSchema,
  /** What was found, for people; never a token or a signed URL. */
  message: z.string(),
  /** What to do. */
  hint: z.string().optional(),
  duration_secs: secondsSchema,
});
export type DoctorCheck = z.infer<typeof doctorCheckSchema>;

export const hiveDoctorSchema = z.object({ hive_id: hiveIdSchema, checks: z.array(doctorCheckSchema) });
export type HiveDoctor = z.infer<typeof hiveDoctorSchema>;

/** What the hives of a queen found: each has either its checks or why it could not be asked. */
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
