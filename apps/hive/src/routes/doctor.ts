import { hiveRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { Doctor } from '../doctor/doctor.ts';

export function addDoctorRoutes(app: Server, doctor: Doctor): void {
  addRoute(app, hiveRoutes.doctor, () => doctor.examine());
}
