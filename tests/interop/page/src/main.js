import { Classroom } from "./classroom.js";

window.classroom = new Classroom();
