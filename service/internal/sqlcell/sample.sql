-- The solar system: its planets, moons and the missions that visited them.
-- Masses in kg, radii in km, distances from what they orbit in AU or km,
-- periods in days. NULL: not known exactly, known since antiquity, or not yet.

CREATE TABLE planet (
    name          TEXT PRIMARY KEY,
    dwarf         BOOLEAN NOT NULL,
    mass_kg       REAL,
    radius_km     REAL NOT NULL,
    distance_au   REAL NOT NULL,
    period_days   REAL NOT NULL,
    rings         BOOLEAN NOT NULL,
    discovered    DATE,
    discoverer    TEXT
);

CREATE TABLE moon (
    name          TEXT PRIMARY KEY,
    planet        TEXT NOT NULL REFERENCES planet (name),
    radius_km     REAL,
    distance_km   INTEGER,
    period_days   REAL,
    discovered    DATE,
    discoverer    TEXT
);

CREATE TABLE mission (
    name          TEXT PRIMARY KEY,
    agency        TEXT NOT NULL,
    launched      DATE NOT NULL,
    ended         DATE
);

CREATE TABLE visit (
    mission       TEXT NOT NULL REFERENCES mission (name),
    planet        TEXT NOT NULL REFERENCES planet (name),
    kind          TEXT NOT NULL CHECK (kind IN ('flyby', 'orbiter', 'lander', 'rover')),
    arrived       DATE, -- NULL: on its way
    PRIMARY KEY (mission, planet)
);

INSERT INTO planet VALUES
    ('Mercury',  0, 3.3011e23,  2439.7,  0.387,    87.969, 0, NULL, NULL),
    ('Venus',    0, 4.8675e24,  6051.8,  0.723,   224.701, 0, NULL, NULL),
    ('Earth',    0, 5.9722e24,  6371.0,  1.0,     365.256, 0, NULL, NULL),
    ('Mars',     0, 6.4171e23,  3389.5,  1.524,   686.98, 0, NULL, NULL),
    ('Jupiter',  0, 1.8982e27, 69911.0,  5.203,  4332.59, 1, NULL, NULL),
    ('Saturn',   0, 5.6834e26, 58232.0,  9.537, 10759.22, 1, NULL, NULL),
    ('Uranus',   0, 8.681e25,  25362.0, 19.191, 30688.5, 1, '1781-03-13', 'William Herschel'),
    ('Neptune',  0, 1.02413e26, 24622.0, 30.069, 60182.0, 1, '1846-09-23', 'Johann Galle'),
    ('Ceres',    1, 9.3835e20,   469.7,  2.77,   1680.0, 0, '1801-01-01', 'Giuseppe Piazzi'),
    ('Pluto',    1, 1.303e22,   1188.3, 39.482, 90560.0, 0, '1930-02-18', 'Clyde Tombaugh'),
    ('Haumea',   1, 4.006e21,    780.0, 43.1,  103410.0, 1, '2004-12-28', NULL),
    ('Makemake', 1, NULL,        715.0, 45.4,  111845.0, 0, '2005-03-31', 'Michael Brown'),
    ('Eris',     1, 1.66e22,    1163.0, 67.9,  204199.0, 0, '2005-01-05', 'Michael Brown');

INSERT INTO moon VALUES
    ('Moon',       'Earth',   1737.4,   384400,  27.3217, NULL, NULL),
    ('Phobos',     'Mars',      11.1,     9376,   0.3189, '1877-08-18', 'Asaph Hall'),
    ('Deimos',     'Mars',       6.2,    23463,   1.2624, '1877-08-12', 'Asaph Hall'),
    ('Io',         'Jupiter', 1821.6,   421700,   1.769,  '1610-01-08', 'Galileo Galilei'),
    ('Europa',     'Jupiter', 1560.8,   671034,   3.551,  '1610-01-08', 'Galileo Galilei'),
    ('Ganymede',   'Jupiter', 2634.1,  1070412,   7.155,  '1610-01-07', 'Galileo Galilei'),
    ('Callisto',   'Jupiter', 2410.3,  1882709,  16.689,  '1610-01-07', 'Galileo Galilei'),
    ('Amalthea',   'Jupiter',   83.5,   181366,   0.498,  '1892-09-09', 'Edward Barnard'),
    ('Himalia',    'Jupiter',   NULL, 11461000, 250.56,   '1904-12-03', 'Charles Perrine'),
    ('Mimas',      'Saturn',   198.2,   185539,   0.942,  '1789-09-17', 'William Herschel'),
    ('Enceladus',  'Saturn',   252.1,   237948,   1.37,   '1789-08-28', 'William Herschel'),
    ('Tethys',     'Saturn',   531.1,   294619,   1.888,  '1684-03-21', 'Giovanni Cassini'),
    ('Dione',      'Saturn',   561.4,   377396,   2.737,  '1684-03-21', 'Giovanni Cassini'),
    ('Rhea',       'Saturn',   763.8,   527108,   4.518,  '1672-12-23', 'Giovanni Cassini'),
    ('Titan',      'Saturn',  2574.7,  1221870,  15.945,  '1655-03-25', 'Christiaan Huygens'),
    ('Hyperion',   'Saturn',   135.0,  1481010,  21.277,  '1848-09-16', 'William Bond'),
    ('Iapetus',    'Saturn',   734.5,  3560820,  79.32,   '1671-10-25', 'Giovanni Cassini'),
    ('Phoebe',     'Saturn',   106.5, 12947780, 550.3,    '1899-03-17', 'William Pickering'),
    ('Puck',       'Uranus',    81.0,    86010,   0.762,  '1985-12-30', 'Stephen Synnott'),
    ('Miranda',    'Uranus',   235.8,   129390,   1.413,  '1948-02-16', 'Gerard Kuiper'),
    ('Ariel',      'Uranus',   578.9,   191020,   2.52,   '1851-10-24', 'William Lassell'),
    ('Umbriel',    'Uranus',   584.7,   266000,   4.144,  '1851-10-24', 'William Lassell'),
    ('Titania',    'Uranus',   788.4,   435910,   8.706,  '1787-01-11', 'William Herschel'),
    ('Oberon',     'Uranus',   761.4,   583520,  13.463,  '1787-01-11', 'William Herschel'),
    ('Proteus',    'Neptune',  210.0,   117647,   1.122,  '1989-06-16', 'Stephen Synnott'),
    ('Triton',     'Neptune', 1353.4,   354759,   5.877,  '1846-10-10', 'William Lassell'),
    ('Nereid',     'Neptune',  NULL,   5513400, 360.13,   '1949-05-01', 'Gerard Kuiper'),
    ('Charon',     'Pluto',    606.0,    19591,   6.387,  '1978-06-22', 'James Christy'),
    ('Styx',       'Pluto',     NULL,    42656,  20.162,  '2012-06-26', 'Mark Showalter'),
    ('Nix',        'Pluto',     NULL,    48694,  24.855,  '2005-05-15', NULL),
    ('Kerberos',   'Pluto',     NULL,    57783,  32.168,  '2011-06-28', 'Mark Showalter'),
    ('Hydra',      'Pluto',     NULL,    64738,  38.202,  '2005-05-15', NULL),
    ('Hiʻiaka',    'Haumea',    NULL,    49880,  49.462,  '2005-01-26', 'Michael Brown'),
    ('Namaka',     'Haumea',    NULL,    25657,  18.278,  '2005-06-30', 'Michael Brown'),
    ('Dysnomia',   'Eris',      NULL,    37273,  15.786,  '2005-09-10', 'Michael Brown');

INSERT INTO mission VALUES
    ('Mariner 2',      'NASA',     '1962-08-27', '1963-01-03'),
    ('Mariner 4',      'NASA',     '1964-11-28', '1967-12-21'),
    ('Venera 7',       'USSR',     '1970-08-17', '1970-12-15'),
    ('Mariner 9',      'NASA',     '1971-05-30', '1972-10-27'),
    ('Pioneer 10',     'NASA',     '1972-03-03', '2003-01-23'),
    ('Mariner 10',     'NASA',     '1973-11-03', '1975-03-24'),
    ('Viking 1',       'NASA',     '1975-08-20', '1982-11-11'),
    ('Voyager 2',      'NASA',     '1977-08-20', NULL),
    ('Voyager 1',      'NASA',     '1977-09-05', NULL),
    ('Magellan',       'NASA',     '1989-05-04', '1994-10-13'),
    ('Galileo',        'NASA',     '1989-10-18', '2003-09-21'),
    ('Cassini',        'NASA/ESA', '1997-10-15', '2017-09-15'),
    ('MESSENGER',      'NASA',     '2004-08-03', '2015-04-30'),
    ('New Horizons',   'NASA',     '2006-01-19', NULL),
    ('Dawn',           'NASA',     '2007-09-27', '2018-11-01'),
    ('Juno',           'NASA',     '2011-08-05', NULL),
    ('Curiosity',      'NASA',     '2011-11-26', NULL),
    ('Mangalyaan',     'ISRO',     '2013-11-05', NULL),
    ('BepiColombo',    'ESA/JAXA', '2018-10-20', NULL),
    ('Tianwen-1',      'CNSA',     '2020-07-23', NULL),
    ('Perseverance',   'NASA',     '2020-07-30', NULL),
    ('JUICE',          'ESA',      '2023-04-14', NULL),
    ('Europa Clipper', 'NASA',     '2024-10-14', NULL);

INSERT INTO visit VALUES
    ('Mariner 2',      'Venus',   'flyby',   '1962-12-14'),
    ('Mariner 4',      'Mars',    'flyby',   '1965-07-14'),
    ('Venera 7',       'Venus',   'lander',  '1970-12-15'),
    ('Mariner 9',      'Mars',    'orbiter', '1971-11-14'),
    ('Pioneer 10',     'Jupiter', 'flyby',   '1973-12-04'),
    ('Mariner 10',     'Venus',   'flyby',   '1974-02-05'),
    ('Mariner 10',     'Mercury', 'flyby',   '1974-03-29'),
    ('Viking 1',       'Mars',    'lander',  '1976-07-20'),
    ('Voyager 1',      'Jupiter', 'flyby',   '1979-03-05'),
    ('Voyager 1',      'Saturn',  'flyby',   '1980-11-12'),
    ('Voyager 2',      'Jupiter', 'flyby',   '1979-07-09'),
    ('Voyager 2',      'Saturn',  'flyby',   '1981-08-26'),
    ('Voyager 2',      'Uranus',  'flyby',   '1986-01-24'),
    ('Voyager 2',      'Neptune', 'flyby',   '1989-08-25'),
    ('Magellan',       'Venus',   'orbiter', '1990-08-10'),
    ('Galileo',        'Jupiter', 'orbiter', '1995-12-08'),
    ('Cassini',        'Jupiter', 'flyby',   '2000-12-30'),
    ('Cassini',        'Saturn',  'orbiter', '2004-07-01'),
    ('MESSENGER',      'Mercury', 'orbiter', '2011-03-18'),
    ('New Horizons',   'Jupiter', 'flyby',   '2007-02-28'),
    ('New Horizons',   'Pluto',   'flyby',   '2015-07-14'),
    ('Dawn',           'Ceres',   'orbiter', '2015-03-06'),
    ('Juno',           'Jupiter', 'orbiter', '2016-07-05'),
    ('Curiosity',      'Mars',    'rover',   '2012-08-06'),
    ('Mangalyaan',     'Mars',    'orbiter', '2014-09-24'),
    ('BepiColombo',    'Mercury', 'orbiter', NULL),
    ('Tianwen-1',      'Mars',    'orbiter', '2021-02-10'),
    ('Perseverance',   'Mars',    'rover',   '2021-02-18'),
    ('JUICE',          'Jupiter', 'orbiter', NULL),
    ('Europa Clipper', 'Jupiter', 'orbiter', NULL);
